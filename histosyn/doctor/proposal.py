"""A label schema for label maps that came without one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histosyn.doctor.colors import (
    RARE_SHARE,
    Group,
    distinct_colors,
    group_colors,
    hex_color,
    stray_reason,
)
from histosyn.doctor.interpretation import fitting_schema, stretch_of
from histosyn.doctor.value_counts import STRETCHED_CLASSES, ValueCounts, count_values
from histosyn.labels.label_map import COLOR_TOLERANCE, meaning_of
from histosyn.labels.pixel_values import PixelValues, unpacked_colors
from histosyn.labels.schema import (
    MAX_CLASSES,
    PROPOSED,
    LabelClass,
    LabelSchema,
    built_in_schemas,
    load_schema,
    schema_toml,
)
from histosyn.labels.unlabelled import ignoring, without_value
from hpc.errors import LabelError

IGNORE = 255
_TOLD_STRAYS = 8
# A colour with this share of all pixels that is merged into another one is worth a word.
_TOLD_SHARE = 0.01
# Values of masks, the commonest of all, in one file or in some files each.
_MASK = [0, 255]
_ONE_CLASS = "All pixels are of one class: nothing tells the others."
# More classes than this are rarely classes.
_MOST_CLASSES = 32
_HEAD = """# Proposed by `histosyn {command}` from the label maps that it found.
# Give the classes their names, and pass this file with --schema.
"""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A schema, and in `notes` what was assumed to get it, a sentence each.

    `doubts`, which are among the notes or beside them, say why nothing should be made with it
    before somebody has looked at it. `head` is the comment on top of its file;
    `named` says that its classes have the names that they should have.
    """

    schema: LabelSchema
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    head: str = _HEAD
    named: bool = False

    @property
    def built_in(self) -> bool:
        """Whether it is one of the schemas that come with histosyn."""
        return self.schema.name in built_in_schemas()

    def toml(self, command: str = "doctor") -> str:
        """The text of a schema file, with a word on what to do with it."""
        return f"{self.head.format(command=command)}{schema_toml(self.schema)}"


def propose(pixel_values: Iterable[PixelValues]) -> Proposal | None:
    """A schema for label maps with these pixel values; None if there are none.

    Colour files decide over palette files, and these over grayscale files. A palette counts by
    index as long as an index has the same colour everywhere.
    """
    counts = count_values(pixel_values)
    proposal = _of_inventory(counts)
    if proposal is None:
        return None
    return replace(proposal, doubts=(*proposal.doubts, *_general_doubts(proposal, counts)))


def proposed(found: Sequence[PixelValues], unlabelled: int | None) -> Proposal | None:
    """The schema for label maps in which `unlabelled`, if given, stands for no label.

    Raises LabelError if none of them is a file by index.
    """
    if unlabelled is None:
        return propose(found)
    if found and all(item.indices is None for item in found):
        raise LabelError(
            f"--unlabelled {unlabelled} is for label maps by index, and these hold colours. Leave "
            "out the class of that colour in a schema instead (--schema)."
        )
    rest = (without_value(item, unlabelled) for item in found)
    proposal = propose(item for item in rest if item is not None)
    if proposal is None:
        return None
    note = f"{unlabelled} is taken for pixels without a label (ignore)."
    return replace(
        proposal, schema=ignoring(proposal.schema, unlabelled), notes=(note, *proposal.notes)
    )


def propose_for_objects(name: str) -> Proposal:
    """A schema for label maps that number objects, all of one class: that, and the background."""
    schema = _schema(distinct_colors(2, np.empty((0, 3), dtype=np.uint8)))
    names = ("background", name)
    classes = tuple(
        replace(item, name=of_class) for item, of_class in zip(schema.classes, names, strict=True)
    )
    return Proposal(schema=replace(schema, classes=classes))


def _of_inventory(counts: ValueCounts) -> Proposal | None:
    if counts.all_colors:
        groups = _groups_of(counts)
        fitting = _built_in(groups)
        if fitting is not None:
            return fitting
        if counts.colors or counts.palette_contradicts:
            return _from_colors(groups, counts)
    pixels = counts.index_pixels + counts.stretched_pixels
    values = np.flatnonzero(pixels)
    factor = stretch_of(values, STRETCHED_CLASSES)
    if factor is not None and (counts.stretched_pixels.any() or values.tolist() == _MASK):
        return _from_stretched(values, factor, counts)
    if not counts.index_pixels.any() and pixels.any():
        counts = replace(counts, index_pixels=pixels)
    return _from_indices(counts) if pixels.any() else None


def _general_doubts(proposal: Proposal, counts: ValueCounts) -> list[str]:
    """Doubts that do not depend on where the schema came from."""
    doubts = []
    by_index = int((counts.index_pixels + counts.stretched_pixels).sum())
    if counts.all_colors and by_index > sum(counts.palette_colors.values()):
        doubts.append("Some label maps hold colours and others indices.")
    if len(proposal.schema) > _MOST_CLASSES:
        doubts.append(f"{len(proposal.schema)} classes are many: are these label maps?")
    return doubts


def _groups_of(counts: ValueCounts) -> list[Group]:
    pixels_of = counts.all_colors
    total = sum(pixels_of.values())
    groups = group_colors(pixels_of, most=MAX_CLASSES)
    return [
        replace(group, stray=stray_reason(group, groups[:index], total))
        for index, group in enumerate(groups)
    ]


def _built_in(groups: Sequence[Group]) -> Proposal | None:
    for chosen in (groups, [group for group in groups if not group.stray]):
        schema = fitting_schema(np.array([group.color for group in chosen], dtype=np.uint8))
        if schema is not None:
            left_out = [group for group in groups if group.stray] if chosen is not groups else []
            strays = tuple(_stray_notes(left_out))
            return Proposal(schema=schema, notes=strays, doubts=strays)
    return None


def _from_colors(groups: Sequence[Group], counts: ValueCounts) -> Proposal:
    kept = [group for group in groups if not group.stray] or [*groups[:1]]
    colors = [group.name for group in kept]
    notes = _merge_notes(kept, counts)
    notes += _stray_notes([group for group in groups if group.stray])
    if len(groups) == MAX_CLASSES:
        notes.append("There are more colours than a schema can hold: are these label maps?")
    doubts = [*notes, *_nearly_built_in(kept)]
    if len(kept) == 1:
        doubts.append(_ONE_CLASS)
    return Proposal(schema=_schema(colors), notes=tuple(notes), doubts=tuple(doubts))


def _nearly_built_in(groups: Sequence[Group]) -> list[str]:
    """A doubt if most colours are those of a built-in schema, and some are not."""
    colors = np.array([group.color for group in groups], dtype=np.uint8)
    pixel_values = PixelValues(pixels=np.array([group.pixels for group in groups]), colors=colors)
    known_of = {
        name: meaning_of(pixel_values, load_schema(name)).known for name in built_in_schemas()
    }
    name, known = max(known_of.items(), key=lambda item: item[1].sum())
    if known.sum() < 2 or 2 * pixel_values.pixels[known].sum() <= pixel_values.pixels.sum():
        return []
    strange = ", ".join(groups[i].name for i in np.flatnonzero(~known).tolist())
    return [f"The colours are those of {name}, but for {strange}."]


def _from_indices(counts: ValueCounts) -> Proposal:
    pixels = counts.index_pixels
    values = _with_neighbours(np.flatnonzero(pixels), np.flatnonzero(counts.stretched_pixels))
    notes = []
    ignore = IGNORE if values[-1] == IGNORE and len(values) > 1 else None
    if ignore is not None:
        notes.append("255 is taken for pixels without a label (ignore).")
        values = values[:-1]
    classes, stray = _without_strays(values, pixels)
    doubts = []
    if len(stray):
        shown = ", ".join(f"{value} ({pixels[value]} pixels)" for value in stray[:_TOLD_STRAYS])
        doubts.append(f"Rare and far from the other values, hence taken for strays: {shown}.")
    count = int(classes[-1]) + 1
    if 2 * len(classes) < count:
        shown = ", ".join(str(value) for value in classes[:_TOLD_STRAYS])
        more = ", ..." if len(classes) > _TOLD_STRAYS else ""
        doubts.append(f"Of {count} values up to the largest, {len(classes)} occur: {shown}{more}.")
        schema = _of_values([(int(value),) for value in classes], counts, ignore)
    else:
        schema = _schema(_colors_of_indices(counts, count), ignore)
    alone = (_ONE_CLASS,) if len(classes) == 1 else ()
    return Proposal(schema=schema, notes=(*notes, *doubts), doubts=(*doubts, *alone))


def _from_stretched(values: np.ndarray, factor: float, counts: ValueCounts) -> Proposal:
    """From values that are indices times a factor, in the file or in all of them together."""
    count = round(values[-1] / factor) + 1
    exact = [index * factor for index in range(count)]
    schema = _of_values([_rounded(value) for value in exact], counts, None)
    told = ", ".join(f"{value} is class-{round(value / factor)}" for value in values.tolist())
    text = f"In the files {told}, which value = ... in the schema says."
    return Proposal(schema=schema, notes=(text,))


def _rounded(value: float) -> tuple[int, ...]:
    """The whole numbers that a value may have been rounded to."""
    return tuple(sorted({math.floor(value), math.ceil(value)}))


def _of_values(
    values: Sequence[tuple[int, ...]], counts: ValueCounts, ignore: int | None
) -> LabelSchema:
    """A schema whose classes stand for these values in files; an index needs no mention."""
    if len(values) == 1:
        values = [*values, (int(values[0] == (0,)),)]
    schema = _schema(distinct_colors(len(values), _palette(counts)), ignore)
    classes = tuple(
        item if value == (index,) else replace(item, value=value)
        for index, (item, value) in enumerate(zip(schema.classes, values, strict=True))
    )
    return replace(schema, classes=classes)


def _with_neighbours(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The values and those of the others, both sorted, that go on where these end."""
    last = int(values[-1])
    for other in others.tolist():
        last = max(last, other) if other <= last + 1 else last
    return np.union1d(values, others[others <= last])


def _without_strays(values: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split values into classes, and strays at the end: rare, and beyond a gap."""
    rare = pixels[values] < RARE_SHARE * pixels.sum()
    last = len(values)
    while last > 1 and rare[last - 1 :].all() and values[last - 1] > values[last - 2] + 1:
        last -= 1
    while last > 1 and values[last - 1] >= MAX_CLASSES:
        last -= 1
    return values[:last], values[last:]


def _colors_of_indices(counts: ValueCounts, count: int) -> list[str]:
    """The palette's own colours where they can be told apart, distinct ones otherwise."""
    palette = _palette(counts)
    if not counts.palette_is_plain or not _can_be_told_apart(palette):
        return distinct_colors(count, palette)
    free = iter(distinct_colors(count, palette))
    return [
        hex_color(unpacked_colors(np.array(next(iter(counts.palette[index])))))
        if index in counts.palette
        else next(free)
        for index in range(count)
    ]


def _palette(counts: ValueCounts) -> np.ndarray:
    packed = sorted({color for colors in counts.palette.values() for color in colors})
    return unpacked_colors(np.array(packed, dtype=np.uint32))


def _can_be_told_apart(colors: np.ndarray) -> bool:
    differences = np.abs(colors[:, None].astype(int) - colors[None]).max(axis=2)
    np.fill_diagonal(differences, 255)
    return len(colors) > 0 and int(differences.min()) > COLOR_TOLERANCE


def _schema(colors: Sequence[str], ignore: int | None = None) -> LabelSchema:
    """A schema of at least two classes, as one must be."""
    if len(colors) < 2:
        used = np.array([list(bytes.fromhex(color[1:])) for color in colors], dtype=np.uint8)
        colors = [*colors, *distinct_colors(2 - len(colors), used)]
    classes = tuple(
        LabelClass(name=f"class-{index}", color=color) for index, color in enumerate(colors)
    )
    return LabelSchema(name=PROPOSED, classes=classes, ignore=ignore)


def _merge_notes(groups: Sequence[Group], counts: ValueCounts) -> list[str]:
    pixels_of = counts.all_colors
    total = sum(pixels_of.values())
    return [
        f"{hex_color(color)} ({share:.1%} of the pixels) is taken for {group.name}."
        for group in groups
        for color in group.others
        if (share := pixels_of[int(bytes(color).hex(), 16)] / total) >= _TOLD_SHARE
    ]


def _stray_notes(groups: Sequence[Group]) -> list[str]:
    notes = [
        f"{group.name} ({group.pixels} pixels) is taken for a stray: {group.stray}."
        for group in groups[:_TOLD_STRAYS]
    ]
    more = len(groups) - _TOLD_STRAYS
    return notes + ([f"{more} more groups of colours are taken for strays."] if more > 0 else [])
