"""Checks of each (tile, label map) pair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from histosyn.doctor.dataset_summary import Check, DatasetSummary
from histosyn.doctor.interpretation import Trouble
from histosyn.doctor.pair_summary import FlawKind, PairSummary
from histosyn.sources.pairs import LONGEST_KEY_BYTES, may_name_a_sample

# A tile with this share of glass has nothing to learn from.
GLASS_SHARE = 0.97
# Microns per pixel that differ by no more than this factor are the same.
MPP_RATIO = 1.05


def size_text(size: tuple[int, ...]) -> str:
    """(H, W) as people write it: width x height."""
    height, width = size
    return f"{width}x{height}"


def _flawed_tile(kind: FlawKind, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    flaw = summary.tile.flaw
    return [flaw.message] if flaw is not None and flaw.kind == kind else []


def _flawed_label(kind: FlawKind, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    flaw = summary.label.flaw
    return [flaw.message] if flaw is not None and flaw.kind == kind else []


def _troubled(trouble: Trouble, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    interpretation = summary.label.interpretation
    if interpretation is None or interpretation.trouble != trouble:
        return []
    return [f"{summary.label_name}: {interpretation.hint}"]


def _unequal_sizes(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    tile, label = summary.tile.size, summary.label.size
    if tile is None or label is None or tile == label:
        return []
    return [
        f"{summary.pair.key}: the tile has {size_text(tile)} pixels, "
        f"its label map {size_text(label)}"
    ]


def _copies(across: bool, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    """A copy of an earlier tile, on another side of the split or not."""
    key = summary.pair.key
    first = dataset.key_of_digest.get(summary.tile.digest or b"", key)
    if first == key:
        return []
    part, first_part = dataset.part_of(key), dataset.part_of(first)
    if (part != first_part) != across:
        return []
    sides = (f" ({part or 'no part'})", f" ({first_part or 'no part'})") if across else ("", "")
    return [f"{key}{sides[0]} has the pixels of {first}{sides[1]}"]


def _unfit_name(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    return [] if may_name_a_sample(summary.pair.key) else [repr(summary.pair.key)]


def _unlisted(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    listed = dataset.facts is None or summary.pair.key in dataset.facts
    return [] if listed else [summary.tile_name]


def _other_resolution(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    facts = dataset.facts_of(summary.pair.key)
    told, own = None if facts is None else facts.mpp, summary.tile.header.mpp
    if told is None or own is None or max(told, own) <= MPP_RATIO * min(told, own):
        return []
    return [f"{summary.tile_name}: its file says {own:.4g}, the CSV {told:.4g} µm per pixel"]


def _foreign_palette(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    interpretation = summary.label.interpretation
    if interpretation is None or interpretation.fits is None:
        return []
    indices = [index for index, _ in interpretation.palette]
    return [
        f"{summary.label_name}: the colours of {interpretation.fits}, "
        f"read by index as classes {indices}"
    ]


def _surprising_tile(what: str, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    return [summary.tile_name] if getattr(summary.tile.header, what) else []


def _surprising_label(what: str, summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    return [summary.label_name] if getattr(summary.label.header, what) else []


def _one_turned(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    tile, label = summary.tile, summary.label
    if None in (tile.size, label.size) or tile.header.turned == label.header.turned:
        return []
    return [summary.tile_name if tile.header.turned else summary.label_name]


def _many_colors(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    return [summary.label_name] if summary.label.left_out else []


def _glass(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    if summary.tile.uniform:
        return []
    if summary.tile.glass >= GLASS_SHARE:
        return [f"{summary.pair.key}: {summary.tile.glass:.1%} nearly white"]
    return [f"{summary.pair.key}: bright and without colour"] if summary.tile.blank else []


def _uniform(summary: PairSummary, dataset: DatasetSummary) -> Sequence[str]:
    return [summary.pair.key] if summary.tile.uniform else []


_FLAWED_TILES: tuple[tuple[FlawKind, str, str], ...] = (
    ("damaged", "tiles that cannot be read",
     "Replace these files, or remove them and their label maps."),
    ("deep", "tiles of more than 8 bits a channel",
     "Convert them to 8-bit RGB, all with the same window of brightness."),
    ("transparent", "tiles with transparent pixels",
     "Save them as opaque RGB, on a background of your choice."),
    ("pages", "tiles of several pages", "Save the page that is meant as a file of its own."),
    ("mode", "tiles that are not RGB", "Convert them to 8-bit RGB, or leave them out."),
)  # fmt: skip
_FLAWED_LABELS: tuple[tuple[FlawKind, str, str], ...] = (
    ("damaged", "label maps that cannot be read",
     "Replace these files, or remove them and their tiles."),
    ("deep", "label maps of more than 8 bits",
     "Save the class indices as 8-bit grayscale PNG. If they number objects: --objects-are CLASS."),
    ("transparent", "label maps with transparent pixels",
     "Save them as opaque RGB, or as class indices."),
    ("lossy", "label maps after lossy compression (JPEG)",
     "JPEG and its like change the values of pixels. Export the label maps again, as PNG."),
    ("pages", "label maps of several pages",
     "Join channels into class indices, or save the page that is meant as a file of its own."),
    ("photograph", "label maps with more colours than a drawing has",
     "These are photographs: look for the label maps."),
    ("mode", "label maps of another kind of pixels",
     "Save them as 8-bit class indices, or in 8-bit RGB."),
)  # fmt: skip
_TROUBLES: tuple[tuple[Trouble, str, str], ...] = (
    ("mixed", "palettes of which only some colours are class colours",
     "They could mean colours or indices. Recolour them, use the schema they were drawn with, or "
     "save their indices as 8-bit grayscale."),
    ("scaled", "label maps whose indices are stretched to be visible",
     "Say in the schema which values stand for its classes (value = ...): without --schema one is "
     "proposed that does. Or divide the values by the factor, rounding to the nearest index."),
    ("brightness", "label maps whose class colours were turned to gray",
     "Export the colours again: several may have become the same gray."),
)  # fmt: skip

PAIR_CHECKS = (
    Check(
        severity="error",
        what="names that no shard can hold",
        remedy="Rename the files: no line breaks, backslashes or other characters that cannot be "
        f"printed or are no UTF-8, and at most {LONGEST_KEY_BYTES} bytes.",
        places=_unfit_name,
    ),
    *(
        Check(severity="error", what=what, remedy=remedy, places=partial(_flawed_tile, kind))
        for kind, what, remedy in _FLAWED_TILES
    ),
    *(
        Check(severity="error", what=what, remedy=remedy, places=partial(_flawed_label, kind))
        for kind, what, remedy in _FLAWED_LABELS
    ),
    *(
        Check(severity="error", what=what, remedy=remedy, places=partial(_troubled, trouble))
        for trouble, what, remedy in _TROUBLES
    ),
    Check(
        severity="error",
        what="pairs of unequal size",
        remedy="Cut or scale each label map as its tile was (nearest neighbour).",
        places=_unequal_sizes,
    ),
    Check(
        severity="error",
        what="the same tile on both sides of a split",
        remedy="Keep one of each: results on tiles seen in training say nothing.",
        places=partial(_copies, True),
    ),
    Check(
        severity="error",
        what="tiles of which the CSV says nothing",
        remedy="Add a line for each: histosyn pack refuses tiles without a group.",
        places=_unlisted,
    ),
    Check(
        severity="warning",
        what="microns per pixel of which file and CSV disagree",
        remedy="Find out which is right; the CSV counts.",
        places=_other_resolution,
    ),
    Check(
        severity="warning",
        what="palettes in the colours of another schema, read by index",
        remedy="If the colours are meant, name their schema (--schema); if not, nothing is wrong.",
        places=_foreign_palette,
    ),
    Check(
        severity="warning",
        what="tiles of 16 bits a channel, read as 8",
        remedy="Convert them yourself if the low bits matter.",
        places=partial(_surprising_tile, "deep"),
    ),
    Check(
        severity="warning",
        what="label maps of 16 bits a channel, read as 8",
        remedy="Save them as 8-bit class indices, or in 8-bit RGB.",
        places=partial(_surprising_label, "deep"),
    ),
    Check(
        severity="warning",
        what="tiles with a transparent colour, read as opaque",
        remedy="Save them as opaque RGB, on a background of your choice.",
        places=partial(_surprising_tile, "see_through"),
    ),
    Check(
        severity="warning",
        what="one of a pair turned upright, as its file says, and the other not",
        remedy="See by histosyn inspect that classes lie on their tissue; if not, save the tile as "
        "it lies, without orientation (EXIF).",
        places=_one_turned,
    ),
    Check(
        severity="warning",
        what="label maps with a transparent colour, read as opaque",
        remedy="Save them without transparency if it has no meaning; if it has, recolour them.",
        places=partial(_surprising_label, "see_through"),
    ),
    Check(
        severity="warning",
        what="label maps of very many colours, judged by the most frequent ones",
        remedy="With --schema every pixel is judged.",
        places=_many_colors,
    ),
    Check(
        severity="warning",
        what="tiles that are almost empty glass",
        remedy="Keep a few of them: a generator learns white soon.",
        places=_glass,
    ),
    Check(
        severity="warning",
        what="tiles of one colour",
        remedy="Leave them out: nothing can be learned from them.",
        places=_uniform,
    ),
    Check(
        severity="warning",
        what="tiles with the pixels of another one",
        remedy="Keep one of each: a copy on the other side of a split makes results look better.",
        places=partial(_copies, False),
    ),
)
