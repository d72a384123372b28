"""Checks of the whole data set, after all pairs were read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from histosyn.doctor.dataset_summary import Check, DatasetSummary, Tally
from histosyn.doctor.interpretation import fitting_schema
from histosyn.doctor.learning_checks import LEARNING_CHECKS
from histosyn.doctor.pair_checks import MPP_RATIO, size_text

# The generator's default stride: tiles of other multiples are padded for it, at a cost.
_STRIDE = 32
# Larger tiles are worth so much of the area.
_NEARLY = 0.05
# No smaller ones are proposed: a gland is to fit in.
_SMALLEST = 128


def _strange(kind: Literal["color", "value"], dataset: DatasetSummary) -> Sequence[str]:
    found = [item for item in dataset.unknown_values.values() if _kind_of(item) == kind]
    return [_tally_text(item) for item in sorted(found, key=lambda item: -item.pixels)]


def _strange_files(kind: Literal["color", "value"], dataset: DatasetSummary) -> Sequence[str]:
    return dataset.strange_files[kind]


def _kind_of(tally: Tally) -> str:
    return "value" if isinstance(tally.unknown_value.code, int) else "color"


def _tally_text(tally: Tally) -> str:
    more = ", …" if tally.files > len(tally.first) else ""
    maps = "1 label map" if tally.files == 1 else f"{tally.files} label maps"
    first = f"{', '.join(tally.first)}{more}"
    text = f"{tally.unknown_value.code}: {tally.pixels:,} pixels in {maps} ({first})"
    nearest = tally.unknown_value.nearest
    if nearest is None:
        return text
    return (
        f"{text}; nearest is {nearest.name} {nearest.color}, off by {tally.unknown_value.distance}"
    )


def _color_remedy(dataset: DatasetSummary) -> str:
    if dataset.proposed:
        return (
            "If these are classes, add them to the proposed schema. If they are smoothed outlines, "
            "export the label maps without smoothing."
        )
    pixel_values = [code for code in dataset.unknown_values if isinstance(code, str)]
    colors = np.array([list(bytes.fromhex(code[1:])) for code in pixel_values], dtype=np.uint8)
    fits = fitting_schema(colors)
    hint = f"They are all of the built-in {fits.name}: try --schema {fits.name}. " if fits else ""
    return (
        f"{hint}Name the schema that the files were drawn with (--schema), or recolour them. "
        "Without --schema, one is proposed."
    )


def _value_remedy(dataset: DatasetSummary) -> str:
    if dataset.proposed:
        return "If these are classes, add them to the proposed schema; if not, relabel these files."
    last = len(dataset.schema or ()) - 1
    return (
        f"Classes are 0 to {last}. Relabel these files, use the right schema (--schema), or "
        "declare 'ignore' in it for pixels without a label. Without --schema, one is proposed."
    )


def _lonely_tiles(dataset: DatasetSummary) -> Sequence[str]:
    return [str(path) for path in dataset.pairing.tiles_without_label]


def _lonely_labels(dataset: DatasetSummary) -> Sequence[str]:
    return [str(path) for path in dataset.pairing.labels_without_tile]


def _of_no_side(dataset: DatasetSummary) -> Sequence[str]:
    return [str(path) for path in dataset.pairing.others]


def _unread(dataset: DatasetSummary) -> Sequence[str]:
    return [str(path) for path in dataset.pairing.unread]


def _naming_remedy(otherwise: str, dataset: DatasetSummary) -> str:
    return f"{dataset.naming_hint} {otherwise}".strip()


def _straddling_groups(dataset: DatasetSummary) -> Sequence[str]:
    parts_of: dict[str, dict[str, str]] = {}
    for key, facts in (dataset.facts or {}).items():
        part = dataset.part_of(key)
        if part is not None:
            parts_of.setdefault(facts.group, {}).setdefault(part, key)
    return [
        f"{group}: " + ", ".join(f"{part} ({key})" for part, key in parts.items())
        for group, parts in parts_of.items()
        if len(parts) > 1
    ]


def _contradicting_palettes(dataset: DatasetSummary) -> Sequence[str]:
    return [
        f"index {index}: " + ", ".join(f"{color} in {name}" for color, name in names[:3])
        for index, names in (
            (index, list(file_of_color.items()))
            for index, file_of_color in sorted(dataset.palette.items())
        )
        if len(names) > 1
    ]


def _two_forms(dataset: DatasetSummary) -> Sequence[str]:
    by_color, by_index = dataset.forms[True], dataset.forms[False]
    if not by_color or not by_index:
        return []
    return [f"by colour: {by_color[0]}", f"by index: {by_index[0]}"]


def _resolutions(dataset: DatasetSummary) -> Sequence[str]:
    found = sorted(dataset.tiles_of_mpp)
    if not found or found[-1] <= MPP_RATIO * found[0]:
        return []
    most_first = dataset.tiles_of_mpp.most_common()
    return [f"{mpp:.4g} µm: {n} tiles, e.g. {dataset.key_of_mpp[mpp]}" for mpp, n in most_first]


def _sizes(dataset: DatasetSummary) -> Sequence[str]:
    sizes = dataset.tile_sizes.most_common()
    if len(sizes) < 2:
        return []
    return [
        f"{size_text(size)}: {n} {'tile' if n == 1 else 'tiles'}, e.g. {dataset.key_of_size[size]}"
        for size, n in sizes
    ]


def _one_size(dataset: DatasetSummary) -> str:
    """How to pack tiles of different sizes."""
    smallest = min(dataset.tile_sizes, key=min)
    if min(smallest) < _STRIDE:
        return (
            f"histosyn pack refuses them without --tile-size, and nothing of {_STRIDE} pixels can "
            f"be cut from {size_text(smallest)}: leave out the tiles smaller than {_STRIDE}."
        )
    largest = min(smallest) // _STRIDE * _STRIDE
    sides = range(min(_SMALLEST, largest), largest + 1, _STRIDE)
    kept = {side: _kept_share(dataset, side) for side in sides}
    best = max(kept.values())
    side = max(side for side, share in kept.items() if share >= best - _NEARLY)
    more = "" if side == largest else f" ({largest} would keep {kept[largest]:.0%})"
    return (
        f"histosyn pack refuses them without --tile-size. Pack with --tile-size {side}, which cuts "
        f"all tiles to {side}x{side} and keeps {kept[side]:.0%} of their area{more}."
    )


def _kept_share(dataset: DatasetSummary, side: int) -> float:
    """The share of all pixels that lie in squares of `side` pixels."""
    sizes = dataset.tile_sizes.items()
    kept = sum(n * (size[0] // side) * (size[1] // side) * side**2 for size, n in sizes)
    return kept / sum(n * size[0] * size[1] for size, n in sizes)


SET_CHECKS = (
    Check(
        severity="error",
        what="colours of no class",
        remedy=_color_remedy,
        places=partial(_strange, "color"),
        files=partial(_strange_files, "color"),
    ),
    Check(
        severity="error",
        what="values outside the schema",
        remedy=_value_remedy,
        places=partial(_strange, "value"),
        files=partial(_strange_files, "value"),
    ),
    Check(
        severity="error",
        what="tiles without a label map",
        remedy=partial(_naming_remedy, "Add label maps of the same name, or remove the tiles."),
        places=_lonely_tiles,
    ),
    Check(
        severity="error",
        what="label maps without a tile",
        remedy=partial(_naming_remedy, "Add tiles of the same name, or remove the label maps."),
        places=_lonely_labels,
    ),
    Check(
        severity="error",
        what="groups that straddle a split",
        remedy="Put all tiles of a group on one side: neighbours of training tiles are no test.",
        places=_straddling_groups,
    ),
    Check(
        severity="error",
        what="palette files whose indices have other colours in other files",
        remedy="Their colours are meant, not their indices. Name the schema that they were drawn "
        "with (--schema), or make one with these colours.",
        places=_contradicting_palettes,
    ),
    Check(
        severity="warning",
        what="files that look like images and are not read",
        remedy="Convert what should be, to PNG; they are left out.",
        places=_unread,
    ),
    Check(
        severity="warning",
        what="files of neither side",
        remedy="Their names lack the suffixes that were asked for; they are left out.",
        places=_of_no_side,
    ),
    Check(
        severity="warning",
        what="label maps by colour beside label maps by index",
        remedy="Make sure that both mean the same classes.",
        places=_two_forms,
    ),
    Check(
        severity="warning",
        what="microns per pixel that disagree",
        remedy="Bring the tiles to one resolution: a generator learns one size of nuclei.",
        places=_resolutions,
    ),
    Check(
        severity="warning",
        what="different tile sizes",
        remedy=_one_size,
        places=_sizes,
    ),
    *LEARNING_CHECKS,
)
