"""Distributions of hematoxylin and eosin, real and synthetic, by class, patient and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.features.tile_batches import OnBadTile
from eval.stain.deconvolution import STAINS, STATISTICS, stain_vectors
from eval.stain.drift import drift
from eval.stain.sides import Show, Side, Stained, measured
from eval.statistics.differences import Values, distance_number
from eval.statistics.group_ratios import Estimate, ratio_number, spread_of
from eval.statistics.interval import few_drawn
from eval.statistics.result import Number, Result
from hpc.errors import InputError

_DISTANCE = (
    "Wasserstein distance between the distributions over tiles of the {} of {} over tissue{}, in "
    "optical density (base 10), by colour deconvolution (Ruifrok & Johnston 2001)"
)
_SPREAD = "standard deviation over {} of mean {} over tissue, synthetic over real"
_DRIFT = (
    "change of {} (optical density) from end to end of a large field, by a plane fitted to windows"
)
# Both sides as pictures have room for so many tiles.
_SHOWN_VALUES = 2000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the sides are measured; `window` is the side in pixels of windows of a large field."""

    seed: int = 0
    on_bad_tile: OnBadTile = "error"
    window: int = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grouped:
    """A side, and the patient or label map of each tile."""

    side: Side
    groups: list[str]


def stain(
    real: Stained,
    synthetic: Stained,
    settings: Settings,
    show: Show,
    fields: Mapping[str, Mapping[str, NDArray[np.uint8]]] | None = None,
) -> Result:
    """The numbers, with the values of all tiles in `tables` for a plot.

    `fields` are large images (H, W, 3) by name, those of "real" and of "synthetic". Raises
    InputError if label maps of the sides have other classes.
    """
    classes = _common_classes(real, synthetic)
    sides = {
        role: measured(tiles, settings.on_bad_tile, show, f"{role} tiles")
        for role, tiles in (("real", real), ("synthetic", synthetic))
    }
    known = all(group is not None for group in sides["real"].groups)
    unit = "patients" if known else "tiles or label maps"
    grouped = _grouped(sides, known)
    numbers = [
        *_over_tissue(grouped, unit, settings),
        *_over_classes(grouped, classes, unit, settings),
        *_spreads(grouped, unit),
        *_drifts(fields or {}, settings.window),
    ]
    return Result(
        kind="stain",
        inputs={role: side.facts() for role, side in sides.items()},
        settings={
            "seed": settings.seed,
            "window": settings.window,
            "stain_vectors": stain_vectors().tolist(),
            "groups": len(set(grouped["real"].groups)) if known else None,
            "classes": list(classes),
        },
        numbers=tuple(numbers),
        warnings=tuple(_warnings(grouped, known, unit)),
        tables={"values": _values(grouped)},
    )


def _common_classes(real: Stained, synthetic: Stained) -> tuple[str, ...]:
    if real.schema is None or synthetic.schema is None:
        return ()
    names = [tuple(item.name for item in side.schema.classes)
             for side in (real, synthetic) if side.schema is not None]  # fmt: skip
    if names[0] != names[1]:
        raise InputError(
            f"The label maps of {real.name} have the classes {', '.join(names[0])}, those of "
            f"{synthetic.name} {', '.join(names[1])}. Give label maps of one schema."
        )
    return names[0]


def _grouped(sides: Mapping[str, Side], known: bool) -> dict[str, _Grouped]:
    """A synthetic tile is of the patient of its label map, or of the real tile of that name."""
    real = sides["real"]
    own = [str(group) for group in real.groups] if known else [f"tile {key}" for key in real.keys]
    patient_of = dict(zip(real.keys, own, strict=True))
    made = [
        group if group is not None and known else patient_of.get(key, f"tile {key}")
        for key, group in zip(sides["synthetic"].keys, sides["synthetic"].groups, strict=True)
    ]
    return {"real": _Grouped(side=real, groups=own),
            "synthetic": _Grouped(side=sides["synthetic"], groups=made)}  # fmt: skip


def _over_tissue(grouped: Mapping[str, _Grouped], unit: str, settings: Settings) -> list[Number]:
    found = []
    for column, name in enumerate(STATISTICS):
        which, of = ("spread", name.removesuffix("_spread")) if "_" in name else ("mean", name)
        real, synthetic = (
            Values(values_N=one.side.statistics_N6[:, column], groups=one.groups, unit=unit)
            for one in grouped.values()
        )
        method = _DISTANCE.format(which, of, "")
        found.append(distance_number(f"distance_{name}", real, synthetic, method,
                                     seed=settings.seed))  # fmt: skip
    return found


def _over_classes(
    grouped: Mapping[str, _Grouped], classes: Sequence[str], unit: str, settings: Settings
) -> list[Number]:
    found = []
    for number, label in enumerate(classes):
        for column, name in enumerate(STAINS[:2]):
            real, synthetic = (
                Values(
                    values_N=one.side.classes_NK3[:, number, column], groups=one.groups, unit=unit
                )
                for one in grouped.values()
            )
            method = _DISTANCE.format("mean", name, f" of {label}")
            made = distance_number(f"distance_{name}_in_{label}", real, synthetic, method,
                                   seed=settings.seed)  # fmt: skip
            # A class that has no tissue, such as background, is no finding.
            found += [made] if made.value is not None or made.n else []
    return found


def _spreads(grouped: Mapping[str, _Grouped], unit: str) -> list[Number]:
    return [
        ratio_number(
            f"spread_{name}",
            _spread(grouped["synthetic"], column),
            _spread(grouped["real"], column),
            _SPREAD.format(unit, name),
            f"fewer than two {unit} of a side have tissue",
        )
        for column, name in enumerate(STAINS[:2])
    ]


def _spread(one: _Grouped, column: int) -> Estimate | None:
    """The spread of the means of patients, or of label maps where no patient is known."""
    values = Values(values_N=one.side.statistics_N6[:, column], groups=one.groups).known()
    names, group_N = np.unique(np.array(values.groups), return_inverse=True)
    if len(names) < 2:
        return None
    means_G = np.bincount(group_N, weights=values.values_N) / np.bincount(group_N)
    return spread_of(means_G[:, None], names.tolist())


def _drifts(fields: Mapping[str, Mapping[str, NDArray[np.uint8]]], window: int) -> list[Number]:
    """The drift of each synthetic field; that of real ones is the floor."""
    found = {role: {name: drift(field, window) for name, field in named.items()}
             for role, named in fields.items()}  # fmt: skip
    numbers = []
    for name, (changes, windows) in found.get("synthetic", {}).items():
        for column, of in enumerate(STAINS[:2]):
            value = float(changes[column])
            numbers.append(
                Number(
                    name=f"drift_{of}_{name}",
                    value=value if np.isfinite(value) else None,
                    n=windows,
                    method=_DRIFT.format(of),
                    reason=None if np.isfinite(value)
                    else f"fewer than four windows of {window} pixels have tissue",
                    details={
                        "floor": _floor([float(change[column]) for change, _ in
                                         found.get("real", {}).values()]),
                        "interval_note": "no interval: it is a single field",
                    },
                )
            )  # fmt: skip
    return numbers


def _floor(values: Sequence[float]) -> dict[str, object] | None:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return None
    return {"value": float(np.median(known)), "range": (min(known), max(known)),
            "fields": len(known)}  # fmt: skip


def _values(grouped: Mapping[str, _Grouped]) -> dict[str, Any]:
    """Of each side the values of hematoxylin and eosin, tile by tile, for a plot."""
    found = {}
    for role, one in grouped.items():
        rows = one.side.statistics_N6[:, :2]
        known = rows[np.isfinite(rows).all(axis=1)][:_SHOWN_VALUES]
        found[role] = {name: known[:, column].round(5).tolist()
                       for column, name in enumerate(STAINS[:2])}  # fmt: skip
    return found


def _warnings(grouped: Mapping[str, _Grouped], known: bool, unit: str) -> list[str]:
    found = []
    if not known:
        found.append(
            "The patients of the real tiles are not known: intervals and floors take tiles as "
            "independent, and the floor lies too low. --groups names them; shards know them."
        )
    for role, one in grouped.items():
        few = few_drawn(role, len(set(one.groups)), "patient or label map")
        found += [few] if few and role == "real" else []
        if one.side.bad:
            found.append(
                f"{len(one.side.bad)} tiles of {one.side.name} were left out because they cannot "
                f"be measured, first: {one.side.bad[0]}"
            )
        without = int(np.isnan(one.side.statistics_N6[:, 0]).sum())
        if without:
            found.append(f"{without} {role} tiles have no tissue, and no stain.")
    return found


def sentence_of(numbers: Sequence[Number]) -> str:
    """Which distances are beyond what real patients have among themselves."""
    beyond = [
        number.name.removeprefix("distance_").replace("_", " ")
        for number in numbers
        if number.name.startswith("distance_")
        and number.value is not None
        and (floor := number.details["floor"]) is not None
        and number.value > floor["range"][1]
    ]
    if not beyond:
        return "No distance is beyond what real tiles have among themselves, patients apart."
    return f"Beyond what real tiles have among themselves: {', '.join(beyond)}."
