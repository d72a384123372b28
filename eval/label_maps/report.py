"""New label maps compared with real ones: distances with intervals and floors, and what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.label_maps.measures import QUANTILES, Floats, MapMeasures, measures_of
from eval.label_maps.nearest import Nearest, RealMaps
from eval.segmenter.labelled_tiles import Labels
from eval.statistics.differences import Values, distance_number
from eval.statistics.group_ratios import mean_of, ratio_number
from eval.statistics.result import Number, Result
from hpc.errors import DatasetError

Show = Callable[[Sequence[str], str], Iterable[str]]

_DISTANCE = "Wasserstein distance of the distributions over maps of "
_OF_OBJECTS = f", {QUANTILES} quantiles a map"
_AGREEMENT = (
    "mean over new maps of the share of pixels that agree with the real map they agree with most, "
    "at any place and under eight symmetries, over that of real maps with those of other patients"
)
_NO_GROUPS = (
    "The patients of the real label maps are not known: intervals and floors take maps as "
    "independent, and the floor lies too low. --groups names them; shards know them."
)
_FEW = 20
_MOST_PAIRS = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """Names, groups and measures of the maps of a side, and the maps themselves."""

    names: list[str]
    groups: list[str]
    measures: list[MapMeasures]
    maps: list[NDArray[np.uint8]]


def compare_label_maps(
    real: Labels, new: Labels, *, seed: int = 0, show: Show = lambda names, what: names
) -> Result:
    """The numbers, and in `tables.nearest` the nearest real map of each new one.

    Raises DatasetError for sides of fewer than two maps with a label in them or of different
    schemas, LabelError and DatasetError for what cannot be read.
    """
    if real.schema != new.schema:
        raise DatasetError(
            f"{real.folder} has the schema {real.schema.name}, {new.folder} {new.schema.name}: "
            "their classes differ. Give label maps of one schema."
        )
    sides = {"real": _measured(real, show, "real"), "new": _measured(new, show, "new")}
    for labels, side in zip((real, new), sides.values(), strict=True):
        if len(side.maps) < 2:
            raise DatasetError(f"{labels.folder} holds fewer than two label maps with a label.")
    known = all(real.group(name) is not None for name in sides["real"].names)
    numbers = list(_distances(sides["real"], sides["new"], real, seed))
    novelty, nearest = _novelty(sides["real"], sides["new"], show)
    numbers.append(novelty)
    return Result(
        kind="labels",
        inputs={
            role: {
                "name": str(labels.folder),
                "n": len(side.maps),
                "groups": len(set(side.groups)),
                "content": {what: asdict(one) for what, one in labels.content().items()},
            }
            for (role, side), labels in zip(sides.items(), (real, new), strict=True)
        },
        settings={
            "schema": real.schema.name,
            "classes": [each.name for each in real.schema.classes],
            "objects": [real.schema.classes[kind].name for kind in real.schema.object_classes],
            "seed": seed,
            "groups": len(set(sides["real"].groups)) if known else None,
        },
        numbers=tuple(numbers),
        warnings=tuple(_warnings(sides, known=known)),
        tables={"nearest": nearest},
    )


def _measured(labels: Labels, show: Show, what: str) -> _Side:
    side = _Side(names=[], groups=[], measures=[], maps=[])
    for name in show(labels.names(), what):
        labels_HW = labels.read(name)
        found = measures_of(labels_HW, len(labels.schema), labels.schema.object_classes)
        if found is None:
            continue
        side.names.append(name)
        # Maps of both sides may have one name: they are not the same map.
        side.groups.append(labels.group(name) or f"{what} map {name}")
        side.measures.append(found)
        side.maps.append(labels_HW)
    return side


def _distances(real: _Side, new: _Side, labels: Labels, seed: int) -> Iterator[Number]:
    for one in _quantities(real, new, labels):
        sides = _values(real, one.of), _values(new, one.of)
        found = distance_number(one.name, *sides, method=_DISTANCE + one.what, seed=seed)
        yield replace(found, details=found.details | {"unit": one.unit} | one.details)


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    """A number, or several, of each map."""

    name: str
    what: str
    unit: str
    of: Callable[[MapMeasures], float | Floats]
    details: dict[str, Any] = field(default_factory=dict)


def _quantities(real: _Side, new: _Side, labels: Labels) -> Iterator[_Quantity]:
    names = [each.name for each in labels.schema.classes]
    for index, name in enumerate(names):
        yield _Quantity(name=f"class_share {name}", what="the share of a class",
                        unit="share of the pixels", of=partial(_share, index=index))  # fmt: skip
    for place, kind in enumerate(labels.schema.object_classes):
        for what, quantity, unit, of in _OF_KINDS:
            yield _Quantity(name=f"{what} {names[kind]}", what=quantity, unit=unit,
                            of=partial(of, place=place))  # fmt: skip
    yield _Quantity(name="boundary_length", what="edges of pixels between classes, a pixel",
                    unit="a pixel", of=_boundary_length)  # fmt: skip
    for one, other in _pairs(real, new):
        touch = any(each.borders[one, other] for each in real.measures)
        yield _Quantity(
            name=f"adjacency {names[one]} - {names[other]}",
            what="the share of a pair of classes in all borders",
            unit="share of the borders",
            of=partial(_contact, one=one, other=other),
            details={"new_contact": not touch},
        )


def _share(of: MapMeasures, index: int) -> float:
    return float(of.shares[index])


def _density(of: MapMeasures, place: int) -> float:
    return of.kinds[place].density


def _log_areas(of: MapMeasures, place: int) -> Floats:
    return of.kinds[place].log_areas


def _spacings(of: MapMeasures, place: int) -> Floats:
    return of.kinds[place].spacings


def _boundary_length(of: MapMeasures) -> float:
    return of.boundary_length


def _contact(of: MapMeasures, one: int, other: int) -> float:
    return float(2 * of.contacts[one, other])


_OF_KINDS: tuple[tuple[str, str, str, Callable[..., float | Floats]], ...] = (
    ("object_count", "objects a megapixel", "a megapixel", _density),
    ("object_size", f"log2 of the pixels of whole objects{_OF_OBJECTS}", "doublings", _log_areas),
    ("spacing", f"pixels to the nearest object of the kind{_OF_OBJECTS}", "pixels", _spacings),
)


def _pairs(real: _Side, new: _Side) -> list[tuple[int, int]]:
    """Pairs of classes that touch, those with most border if there are very many."""
    every = np.stack([each.borders for side in (real, new) for each in side.measures])
    borders: Floats = every.sum(axis=0)
    pairs = np.argwhere(np.triu(borders, 1) > 0)
    lengths: Floats = borders[pairs[:, 0], pairs[:, 1]]
    order = np.argsort(-lengths, kind="stable")[:_MOST_PAIRS]
    return [(int(one), int(other)) for one, other in sorted(pairs[order].tolist())]


def _values(side: _Side, of: Callable[[MapMeasures], float | Floats]) -> Values:
    found = [np.atleast_1d(np.asarray(of(one), dtype=np.float64)) for one in side.measures]
    groups = [group for group, each in zip(side.groups, found, strict=True) for _ in each]
    return Values(values_N=np.concatenate(found), groups=groups)


def _novelty(real: _Side, new: _Side, show: Show) -> tuple[Number, list[dict[str, Any]]]:
    largest = max(max(one.shape) for one in (*real.maps, *new.maps))
    under = RealMaps(real.maps, largest)
    alone = len(set(real.groups)) == 1
    floor_N, rows = [], {name: row for row, name in enumerate(real.names)}
    for name in show(real.names, "real beside real"):
        row = rows[name]
        barred = [other == row if alone else group == real.groups[row]
                  for other, group in enumerate(real.groups)]  # fmt: skip
        floor_N.append(_found(under.nearest(real.maps[row], barred)).agreement)
    free = [False] * len(real.maps)
    rows = {name: row for row, name in enumerate(new.names)}
    found = [_found(under.nearest(new.maps[rows[name]], free))
             for name in show(new.names, "new beside real")]  # fmt: skip
    agreement_N, reals_N = np.array([one.agreement for one in found]), np.array(floor_N)
    number = ratio_number(
        "nearest_agreement", mean_of(agreement_N, new.groups), mean_of(reals_N, real.groups),
        _AGREEMENT, "no pixel agrees",
    )  # fmt: skip
    above = int((agreement_N > reals_N.max()).sum())
    details = number.details | {"more_than_any_real": above, "most_of_real": float(reals_N.max())}
    table: list[dict[str, Any]] = [
        {"map": name, "nearest": real.names[one.row], "agreement": one.agreement}
        for name, one in zip(new.names, found, strict=True)
    ]
    table.sort(key=lambda line: -line["agreement"])
    return replace(number, details=details), table


def _found(nearest: Nearest | None) -> Nearest:
    assert nearest is not None, "there are two real maps at least"
    return nearest


def _warnings(sides: dict[str, _Side], *, known: bool) -> Iterator[str]:
    if not known:
        yield _NO_GROUPS
    for role, side in sides.items():
        if len(side.maps) < _FEW:
            yield f"Only {len(side.maps)} {role} label maps: distances say little."
    sizes = {one.shape for side in sides.values() for one in side.maps}
    if (
        len({one.shape for one in sides["real"].maps} | {one.shape for one in sides["new"].maps})
        > 1
    ):
        lengths = sorted({max(size) for size in sizes})
        yield (
            f"Label maps are of different sizes (sides of {lengths[0]} to {lengths[-1]} pixels): "
            "windows vary more from each other, and cut more objects, than whole maps do."
        )
