"""Checks of what can be learned from the data set: classes present, tiles free of artifacts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histosyn.doctor.dataset_summary import Check, DatasetSummary
from histosyn.doctor.tile_artifacts import marked_by_ink, out_of_focus


def _numbered_objects(dataset: DatasetSummary) -> Sequence[str]:
    numbering = dataset.numbering
    return [numbering.reason] if numbering.numbers_objects else []


def _nothing_but_ignored(dataset: DatasetSummary) -> Sequence[str]:
    ignore = None if dataset.schema is None else dataset.schema.ignore
    found = np.flatnonzero(dataset.class_pixels).tolist()
    return ["0 and 255"] if ignore == 255 and found == [0, 255] else []


def _absent_classes(dataset: DatasetSummary) -> Sequence[str]:
    if dataset.schema is None or not dataset.class_pixels.any():
        return []
    classes = enumerate(dataset.schema.classes)
    return [f"{index} {item.name}" for index, item in classes if dataset.class_pixels[index] == 0]


def _lone_classes(dataset: DatasetSummary) -> Sequence[str]:
    """Classes that one tile has, unless that is all there is."""
    if dataset.schema is None or len(dataset.pairing.pairs) < 2:
        return []
    return [
        f"{index} {item.name}: {dataset.tile_of_class[index]}"
        for index, item in enumerate(dataset.schema.classes)
        if dataset.class_tiles[index] == 1
    ]


def _classes_of_no_part(dataset: DatasetSummary) -> Sequence[str]:
    """Classes that occur, but not in all parts of the split."""
    if dataset.schema is None:
        return []
    without = [
        (index, item.name, [part for part, n in dataset.class_tiles_of.items() if not n[index]])
        for index, item in enumerate(dataset.schema.classes)
        if dataset.class_tiles[index]
    ]
    return [
        f"{index} {name}: not in {' and '.join(parts)}" for index, name, parts in without if parts
    ]


def _inked(dataset: DatasetSummary) -> Sequence[str]:
    marked = marked_by_ink(dataset.ink_of)
    most_first = sorted(marked.items(), key=lambda item: -item[1])
    return [f"{key}: {share:.0%} of it" for key, share in most_first]


def _blurred(dataset: DatasetSummary) -> Sequence[str]:
    blurred = out_of_focus(dataset.sharpness_of)
    most_first = sorted(blurred.items(), key=lambda item: -item[1])
    return [f"{key}: {times:.1f} times less fine structure than most" for key, times in most_first]


LEARNING_CHECKS = (
    Check(
        severity="error",
        what="label maps that number objects (instances), it seems, instead of naming classes",
        remedy="Gland 3 of one tile has nothing in common with gland 3 of another. Name the class "
        "that all of them are: --objects-are CLASS, here and for histosyn pack; 0 becomes the "
        "first class. If these are classes all the same: --objects-are none.",
        places=_numbered_objects,
    ),
    Check(
        severity="warning",
        what="nothing but class 0 and ignored pixels",
        remedy="Are these masks of 0 and 255? Then 255 is a class: say value = 255 in it, and "
        "leave out 'ignore'. Without --schema, such a schema is proposed.",
        places=_nothing_but_ignored,
    ),
    Check(
        severity="warning",
        what="tiles with ink or other colours that are not of H&E",
        remedy="Leave them out, or label the ink as a class of its own: a generator paints it.",
        places=_inked,
    ),
    Check(
        severity="warning",
        what="tiles that look out of focus, or of another resolution",
        remedy="Leave them out, or scan them again: a generator learns to blur.",
        places=_blurred,
    ),
    Check(
        severity="warning",
        what="classes that occur in one tile only",
        remedy="What is learned of them is what that tile looks like, and they can be in one part "
        "of a split only: add examples, or join them to another class.",
        places=_lone_classes,
    ),
    Check(
        severity="warning",
        what="classes that a part of the split lacks",
        remedy="What train lacks is not learned, and what val or test lacks is not measured: split "
        "the groups in another way.",
        places=_classes_of_no_part,
    ),
    Check(
        severity="warning",
        what="classes that never occur",
        remedy="They cannot be learned: add examples, or use a schema without them.",
        places=_absent_classes,
    ),
)
