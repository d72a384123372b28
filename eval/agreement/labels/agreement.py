"""Agreement of label maps: annotators with each other, or a segmenter with an annotator.

Pixels are what is rated, but tiles (or patients) are what was sampled: neighbouring pixels say the
same, so intervals come from drawing tiles, or whole groups of them, never pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from eval.agreement.coefficients.sample import MISSING, Sample
from eval.agreement.coefficients.statistics import Statistic, measure, statistic_of
from eval.agreement.labels.facts import label_warnings, rater_facts, units_of
from eval.agreement.labels.scores import METHODS, UNDEFINED, confusion_of, scores_of
from eval.agreement.labels.tally import LabelTally, open_raters, tally
from eval.statistics.arrays import Floats
from eval.statistics.bootstrap import resamples
from eval.statistics.interval import INTERVAL_LEVEL, with_interval
from eval.statistics.result import Number, Result
from histosyn.labels.label_map import LabelSchema
from hpc.file_fingerprint import FileFingerprint

_NOMINAL = ("percent_agreement", "fleiss_kappa", "gwet_ac1", "brennan_prediger")


@dataclass(frozen=True, kw_only=True)
class _Item:
    """One number to come: its value or the reason for none, and what it is about."""

    name: str
    value: float | None
    reason: str | None
    method: str
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """What compares some raters: S items, and their values (S, B) of a sample of all raters."""

    items: list[_Item]
    values: Callable[[Sample], Floats]


def report_label_agreement(
    folders: Sequence[Path],
    schema: LabelSchema,
    *,
    groups: Path | None = None,
    replicates: int,
    seed: int,
) -> Result:
    """Pixel-wise and per-class agreement of two folders of label maps or more.

    `groups` is a CSV tile,patient: whole patients are then drawn. Raises DatasetError for maps that
    cannot be read or differ in size, naming every tile, and for a tile that `groups` leaves out.
    """
    fingerprint = None if groups is None else FileFingerprint(groups)
    counted = tally(open_raters(folders), schema)
    units = units_of(counted, groups)
    pixels_GU = units.summed(counted.pixels_TU)
    data = Sample(
        codes_IR=counted.codes_UR, n_categories=len(schema), times_BI=pixels_GU.sum(axis=0)[None]
    )
    pairs = list(combinations(range(len(counted.raters)), 2))
    comparisons = [
        *_of_all_raters(counted, data, schema),
        *(_of_pair(counted, pair, data, schema) for pair in pairs),
    ]
    values = _replicated(comparisons, data, pixels_GU, replicates=replicates, seed=seed)
    over = f"percentile bootstrap over {units.name}"
    return Result(
        kind="label agreement",
        inputs={
            "schema": schema.as_dict(),
            "groups": None if groups is None else str(groups),
            "groups_sha256": None if fingerprint is None else fingerprint.sha256(),
            "raters": [rater_facts(counted, index) for index in range(len(counted.raters))],
        },
        settings={
            "replicates": replicates,
            "seed": seed,
            "resampled": units.name,
            "units": int(units.of_tile.max()) + 1,
            "interval_level": INTERVAL_LEVEL,
            "missing_labels": "pixels to ignore and maps that are not there count as missing",
        },
        numbers=tuple(
            _number(item, values_B, over)
            for comparison, values_SB in zip(comparisons, values, strict=True)
            for item, values_B in zip(comparison.items, values_SB, strict=True)
        ),
        warnings=tuple(label_warnings(counted, units)),
        tables={"confusion": [_confusion_table(counted, pair, data) for pair in pairs]},
    )


def _replicated(
    comparisons: Sequence[_Comparison],
    data: Sample,
    pixels_GU: Floats,
    *,
    replicates: int,
    seed: int,
) -> list[Floats]:
    """For each comparison the replicates (S, B), drawn in blocks: combinations can be many."""
    columns = max(pixels_GU.shape[1], data.n_categories**2)
    draws = resamples(len(pixels_GU), replicates=replicates, key=(seed, 0), columns=columns)
    blocks = []
    for times_BG in draws:
        drawn = replace(data, times_BI=times_BG @ pixels_GU)
        blocks.append([comparison.values(drawn) for comparison in comparisons])
    return [np.concatenate(of_one, axis=1) for of_one in zip(*blocks, strict=True)]


def _of_all_raters(counted: LabelTally, data: Sample, schema: LabelSchema) -> Iterator[_Comparison]:
    names = [item.name for item in schema.classes]
    statistics = [statistic_of(name, names) for name in _NOMINAL]
    statistics.append(statistic_of("krippendorff_alpha", names, level="nominal"))
    everyone = tuple(range(len(counted.raters)))
    for statistic in statistics:
        about = _about(counted, everyone, "all raters")
        yield _of_statistic(statistic, lambda sample: sample, data, about)
    if len(everyone) > 2:
        for index, name in enumerate(names):
            alpha = statistic_of("krippendorff_alpha", ("rest", name), level="nominal")
            about = _about(counted, everyone, "all raters", name)
            yield _of_statistic(alpha, partial(_against_rest, index=index), data, about)


def _against_rest(sample: Sample, index: int) -> Sample:
    codes_UR = np.where(sample.codes_IR == MISSING, MISSING, sample.codes_IR == index)
    return Sample(codes_IR=codes_UR, n_categories=2, times_BI=sample.times_BI)


def _of_statistic(
    statistic: Statistic, view: Callable[[Sample], Sample], data: Sample, about: dict[str, Any]
) -> _Comparison:
    """One statistic of what `view` makes of a sample."""
    value, reason = measure(statistic, view(data))
    item = _Item(
        name=statistic.name, value=value, reason=reason, method=statistic.method, about=about
    )
    return _Comparison(items=[item], values=lambda sample: statistic.values(view(sample))[None])


def _of_pair(
    counted: LabelTally, pair: tuple[int, int], data: Sample, schema: LabelSchema
) -> _Comparison:
    items = []
    for name, values in scores_of(confusion_of(data.of_raters(pair))).items():
        if values.ndim == 1:
            items.append(_score(name, values[0], _about(counted, pair, "pair of raters")))
            continue
        for index, item in enumerate(schema.classes):
            about = _about(counted, pair, "pair of raters", item.name)
            items.append(_score(name, values[0, index], about))
    return _Comparison(items=items, values=partial(_pair_scores, pair=pair))


def _pair_scores(sample: Sample, pair: tuple[int, int]) -> Floats:
    """(S, B): every score of all classes, or of each one after the other."""
    return np.vstack([one.T for one in scores_of(confusion_of(sample.of_raters(pair))).values()])


def _score(name: str, value: float, about: dict[str, Any]) -> _Item:
    undefined = bool(np.isnan(value))
    return _Item(
        name=name,
        value=None if undefined else float(value),
        reason=UNDEFINED[name] if undefined else None,
        method=METHODS[name],
        about=about,
    )


def _number(item: _Item, values_B: Floats, over: str) -> Number:
    number = Number(
        name=item.name,
        value=item.value,
        n=item.about["tiles"],
        method=item.method,
        reason=item.reason,
        details=item.about,
    )
    return with_interval(number, values_B, over=over, single=None)


def _about(
    counted: LabelTally, raters: tuple[int, ...], compared: str, class_name: str | None = None
) -> dict[str, Any]:
    """Who is compared, on how many tiles that two of them labelled, of which class."""
    labelled_T = counted.labelled_TR[:, list(raters)].sum(axis=1)
    return {
        "compared": compared,
        "raters": [counted.raters[index].name for index in raters],
        "class": class_name,
        "tiles": int((labelled_T > 1).sum()),
    }


def _confusion_table(counted: LabelTally, pair: tuple[int, int], data: Sample) -> dict[str, Any]:
    confusion_KK = confusion_of(data.of_raters(pair))[0]
    return {
        "raters": [counted.raters[index].name for index in pair],
        "pixels": confusion_KK.astype(np.int64).tolist(),
    }
