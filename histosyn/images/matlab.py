"""Tiles and label maps in MATLAB files, as the original stored them: variables `xx` and `rr`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from histosyn.images.limits import MAX_PIXELS
from histosyn.images.mat5 import MAT5_DAMAGE, Matlab73Error, Variable, read_variables
from hpc.errors import DatasetError, LabelError
from hpc.files import open_regular_file

MATLAB_SUFFIX = ".mat"
TILE_VARIABLE = "xx"
LABELS_VARIABLE = "rr"


def read_matlab_tile(path: Path, name: str) -> np.ndarray:
    """The variable `xx` as uint8 RGB (H, W, 3); raises DatasetError if it is anything else."""
    return np.ascontiguousarray(_read(path, TILE_VARIABLE, name, _require_tile))


def read_matlab_labels(path: Path, name: str) -> np.ndarray:
    """The variable `rr` as uint8 (H, W), from numbers of any type that are whole and in 0..255.

    Raises DatasetError for other shapes, LabelError for other values.
    """
    labels = _read(path, LABELS_VARIABLE, name, _require_label_map)
    with np.errstate(invalid="ignore"):
        indices = labels.astype(np.uint8)
    strange = labels != indices
    if strange.any():
        raise LabelError(
            f"{name}: {LABELS_VARIABLE} holds {labels[strange][0]:g} ({strange.sum()} pixels like "
            "it), a class index is a whole number in 0..255. Relabel the file."
        )
    return np.ascontiguousarray(indices)


def _require_tile(variable: Variable, name: str) -> None:
    shape = variable.shape
    if len(shape) != 3 or shape[2] != 3 or variable.type != np.uint8:
        raise DatasetError(
            f"{name}: {TILE_VARIABLE} is {_described(variable)}, a tile must be uint8 of height x "
            "width x 3. Convert the file."
        )


def _require_label_map(variable: Variable, name: str) -> None:
    if len(variable.shape) != 2:
        raise DatasetError(
            f"{name}: {LABELS_VARIABLE} is {_described(variable)}, a label map must be numbers of "
            "height x width. Convert the file."
        )


def _read(
    path: Path, wanted: str, name: str, require: Callable[[Variable, str], None]
) -> np.ndarray:
    """The numbers of a variable, after a look at what it claims to be."""
    present = []
    try:
        with open_regular_file(path) as file:
            for variable in read_variables(file):
                if variable.name == wanted:
                    _require_numbers(variable, name)
                    require(variable, name)
                    return variable.read()
                present.append(variable.name)
    except FileNotFoundError as error:
        raise DatasetError(f"{name} does not exist. Check the path.") from error
    except Matlab73Error as error:
        raise DatasetError(
            f"{name} is a MATLAB 7.3 (HDF5) file. Save it in MATLAB with the option '-v7'."
        ) from error
    except MAT5_DAMAGE as error:
        raise DatasetError(
            f"{name} cannot be read as a MATLAB file ({error}). Replace the file or leave it out."
        ) from error
    raise DatasetError(
        f"{name} has no variable {wanted!r}, but {', '.join(present) or 'nothing'}. "
        f"Tiles are read from {TILE_VARIABLE}, label maps from {LABELS_VARIABLE}."
    )


def _require_numbers(variable: Variable, name: str) -> None:
    """Numbers, and not absurdly many."""
    if variable.type is None:
        raise DatasetError(f"{name}: {variable.name} is no array of numbers. Convert the file.")
    if not math.prod(variable.shape) > 0 or math.prod(variable.shape[:2]) > MAX_PIXELS:
        raise DatasetError(
            f"{name}: {variable.name} claims to be {_by(variable.shape)}. Replace the file."
        )


def _described(variable: Variable) -> str:
    return f"{variable.type} of {_by(variable.shape)}"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
