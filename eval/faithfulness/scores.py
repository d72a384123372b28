"""Scores of a segmenter's predictions with intervals, and their difference between sides.

Intervals are percentiles of a bootstrap over groups (patients), or label maps where these are not
known. Where two sides have the same ones, both are drawn together, so that their difference is that
of the same patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.segmenter.confusion import TileConfusions, by_unit
from eval.segmenter.pixel_scores import Counts, Floats, accuracy, dice, iou, mean_of_defined
from eval.statistics.bootstrap import resamples
from eval.statistics.interval import few_drawn, with_interval
from eval.statistics.result import Number
from histosyn.labels.label_map import LabelSchema

_NEITHER = "the class is neither in the label maps nor read by the segmenter"
_NOTHING = "there is no pixel that counts"


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A score: `of_class` is None for those of all classes together."""

    name: str
    of_class: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """Confusion matrices (U, K, K) of the units of a side, and its bootstrap replicates (B, S)."""

    name: str
    confusions: TileConfusions
    units: tuple[str, ...]
    confusion_UKK: Counts
    replicates_BS: Floats

    @property
    def confusion(self) -> Counts:
        """All pixels, (K, K)."""
        return self.confusion_UKK.sum(axis=0)

    @property
    def unit(self) -> str:
        """What is drawn, in words."""
        return "group" if self.confusions.by_group else "label map"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """Values (S,) and resamples (B, S) of all statistics, and what is to be said of them."""

    side: str
    values_S: Floats
    replicates_BS: Floats
    tiles: int
    method: str
    over: str
    single: str | None


def statistics_of(schema: LabelSchema) -> list[Statistic]:
    """What is measured, in the order of `scores`."""
    names = [item.name for item in schema.classes]
    return [
        *(Statistic(name="dice", of_class=name) for name in names),
        *(Statistic(name="iou", of_class=name) for name in names),
        Statistic(name="mean_dice"),
        Statistic(name="mean_iou"),
        Statistic(name="pixel_accuracy"),
    ]


def scores(confusion_BKK: Counts | Floats) -> Floats:
    """All statistics of each confusion matrix, (..., 2K + 3); NaN where undefined."""
    dice_BK, iou_BK = dice(confusion_BKK), iou(confusion_BKK)
    overall = [mean_of_defined(dice_BK), mean_of_defined(iou_BK), accuracy(confusion_BKK)]
    return np.concatenate([dice_BK, iou_BK, np.stack(overall, axis=-1)], axis=-1)


def sides_of(confusions_of: dict[str, TileConfusions], *, replicates: int, seed: int) -> list[Side]:
    """Draw the resamples of all sides: together where they have the same units."""
    return [
        _side(
            name, confusions, replicates=replicates, key=(seed, _draw_number(name, confusions_of))
        )
        for name, confusions in confusions_of.items()
    ]


def numbers_of(side: Side, schema: LabelSchema) -> list[Number]:
    """Every statistic of a side."""
    measured = _Measured(
        side=side.name,
        values_S=scores(side.confusion),
        replicates_BS=side.replicates_BS,
        tiles=len(side.confusions.label_keys),
        method="pixels of all tiles together",
        over=_over([side]),
        single=_single([side]),
    )
    return _numbers(measured, schema)


def difference_numbers(first: Side, second: Side, schema: LabelSchema) -> list[Number]:
    """Every statistic of the first side less that of the second one."""
    together = "drawn together" if first.units == second.units else "drawn separately"
    measured = _Measured(
        side=f"{first.name} - {second.name}",
        values_S=scores(first.confusion) - scores(second.confusion),
        replicates_BS=first.replicates_BS - second.replicates_BS,
        tiles=len(first.confusions.label_keys) + len(second.confusions.label_keys),
        method="difference of the scores of both sides",
        over=f"{_over([first, second])}, {together}",
        single=_single([first, second]),
    )
    return _numbers(measured, schema)


def few_units_warning(side: Side) -> str | None:
    """What to beware of when few patients (or label maps) stand for all."""
    return few_drawn(side.name, len(side.units), side.unit)


def _over(sides: Sequence[Side]) -> str:
    """What the bootstrap draws, for reports."""
    texts = [f"{len(side.units)} {side.unit}s" for side in sides]
    return f"percentile bootstrap over {' and '.join(dict.fromkeys(texts))}"


def _single(sides: Sequence[Side]) -> str | None:
    """The unit of a side that has only one, if there is such a side."""
    return next((side.unit for side in sides if len(side.units) == 1), None)


def _draw_number(name: str, confusions_of: dict[str, TileConfusions]) -> int:
    """Sides with the same units share a number, so that the same units are drawn."""
    units = [frozenset(confusions.units) for confusions in confusions_of.values()]
    return units.index(units[list(confusions_of).index(name)])


def _side(name: str, confusions: TileConfusions, *, replicates: int, key: tuple[int, ...]) -> Side:
    units, confusion_UKK = by_unit(confusions)
    flat_UX = confusion_UKK.reshape(len(units), -1).astype(np.float64)
    blocks = [
        scores((drawn_BU @ flat_UX).reshape(-1, *confusion_UKK.shape[1:]))
        for drawn_BU in resamples(len(units), replicates=replicates, key=key)
    ]
    return Side(
        name=name,
        confusions=confusions,
        units=units,
        confusion_UKK=confusion_UKK,
        replicates_BS=np.concatenate(blocks),
    )


def _numbers(measured: _Measured, schema: LabelSchema) -> list[Number]:
    return [_number(measured, s, item) for s, item in enumerate(statistics_of(schema))]


def _number(measured: _Measured, s: int, statistic: Statistic) -> Number:
    value = float(measured.values_S[s])
    defined = not np.isnan(value)
    details: dict[str, object] = {"side": measured.side}
    if statistic.of_class is not None:
        details["class"] = statistic.of_class
    number = Number(
        name=statistic.name,
        value=value if defined else None,
        n=measured.tiles,
        method=measured.method,
        reason=None if defined else _NEITHER if statistic.of_class else _NOTHING,
        details=details,
    )
    replicates_B = measured.replicates_BS[:, s]
    return with_interval(number, replicates_B, over=measured.over, single=measured.single)
