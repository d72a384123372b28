"""The files that tiles and label maps come in: images, and the MATLAB files of the original."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from histosyn.images.formats import IMAGE_SUFFIXES
from histosyn.images.matlab import MATLAB_SUFFIX, read_matlab_labels, read_matlab_tile
from histosyn.images.tiles import read_tile
from histosyn.labels.label_map import LabelSchema, labels_of_values, read_label_map

SOURCE_SUFFIXES = IMAGE_SUFFIXES | {MATLAB_SUFFIX}


def read_source_tile(path: Path, name: str | None = None) -> np.ndarray:
    """Read a tile as uint8 RGB (H, W, 3): an image, or `xx` of a MATLAB file.

    Raises DatasetError, calling the file `name`, if it is damaged or no tile.
    """
    if path.suffix.lower() == MATLAB_SUFFIX:
        return read_matlab_tile(path, name or str(path))
    return read_tile(path, name)


def read_source_labels(path: Path, schema: LabelSchema, name: str | None = None) -> np.ndarray:
    """Read a label map as uint8 class indices (H, W): an image, or `rr` of a MATLAB file.

    Raises DatasetError, calling the file `name`, if it is damaged, LabelError if it does not fit
    the schema.
    """
    if path.suffix.lower() == MATLAB_SUFFIX:
        name = name or str(path)
        return labels_of_values(read_matlab_labels(path, name), schema, name)
    return read_label_map(path, schema, name=name)
