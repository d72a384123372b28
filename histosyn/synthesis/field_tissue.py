"""Tissue of a label map of any size: any part of it, in bounded memory, as in whole."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from histosyn.labels.field import Field
from histosyn.models.folder import Model
from histosyn.networks.boxes import Box
from histosyn.networks.inference import to_uint8
from histosyn.networks.windows import (
    Scene,
    Sides,
    WindowedGenerator,
    bytes_needed,
    shares_of,
    sides_within,
)
from histosyn.stain.seen import Code
from hpc.determinism import deterministic
from hpc.device_copies import sent
from hpc.errors import HistosynError, InputError
from hpc.weights import is_finite

# The parts that an image is made in; whole cells of any generator there is.
PART = 2048
DEFAULT_MEMORY_GIB = 2.0
# PyTorch itself, the weights, a part's pixels; and a block has the features of coarser ones beside
# it.
_BASE_GIB, _BLOCKS = 0.6, 2
_ITEM_BYTES = {"float32": 4, "bfloat16": 2}


class FieldTissue:
    """What a model makes of a label map, part by part; no more than `memory_gib` is in use.

    Raises InputError if that is too little for the smallest windows of this model.
    """

    def __init__(
        self,
        model: Model,
        field: Field,
        noise_key: int,
        stain: Code | None = None,
        memory_gib: float = DEFAULT_MEMORY_GIB,
        part: int | None = None,
    ) -> None:
        self._model, self._field, self._noise_key, self._stain = model, field, noise_key, stain
        self._stride = model.facts.generator.stride
        self._sides = _sides(model, memory_gib, max(part or PART, self._stride))
        self._shares = shares_of(self._scene, model.facts.generator, len(model.facts.schema))

    @property
    def _scene(self) -> Scene:
        height, width = self._field.size
        device = self._model.network.exit.weight.device
        return Scene(
            size=(_up(height, self._stride), _up(width, self._stride)),
            labels=partial(_labels, self._field),
            noise_key=self._noise_key,
            stain=None if self._stain is None else sent(torch.tensor([self._stain]), device),
        )

    @torch.inference_mode()
    def pixels(self, rows: range, columns: range) -> np.ndarray:
        """The tissue of these rows and columns, uint8 (H, W, 3); they begin with whole cells.

        HistosynError if it is not finite.
        """
        found = np.empty((len(rows), len(columns), 3), np.uint8)
        box = Box(
            top=rows.start, bottom=_up(rows.stop, self._stride),
            left=columns.start, right=_up(columns.stop, self._stride),
        )  # fmt: skip
        made = WindowedGenerator(self._model.network, self._scene, self._sides, self._shares)
        with deterministic():
            for part, values_NCHW in made.windows(box):
                require_finite_tile(self._model, values_NCHW)
                place = part.shifted(box)
                inside = found[place.top : place.bottom, place.left : place.right]
                inside[:] = to_uint8(values_NCHW)[0, : len(inside), : inside.shape[1]]
        return found

    def whole(self) -> np.ndarray:
        """All of it, uint8 (H, W, 3)."""
        height, width = self._field.size
        found = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, PART):
            for left in range(0, width, PART):
                rows = range(top, min(top + PART, height))
                columns = range(left, min(left + PART, width))
                found[top : rows.stop, left : columns.stop] = self.pixels(rows, columns)
        return found


def require_finite_tile(model: Model, values_NCHW: torch.Tensor) -> None:
    """HistosynError for values that are no pixels."""
    if not is_finite(values_NCHW):
        raise HistosynError(
            f"The model {model.sha256[:12]} makes numbers of this map that are not finite, so "
            "no tile. Its weights are damaged or its training diverged: take an earlier checkpoint."
        )


def _sides(model: Model, memory_gib: float, part: int) -> Sides:
    config, itemsize = model.facts.generator, _ITEM_BYTES[model.precision]
    budget = int(max(memory_gib - _BASE_GIB, 0) / _BLOCKS * 2**30)
    sides = sides_within(config, part, budget, itemsize)
    needed = bytes_needed(config, sides, itemsize)
    if needed > budget:
        least = needed * _BLOCKS / 2**30 + _BASE_GIB
        raise InputError(
            f"This model needs {least:.1f} GiB even for the smallest windows, and --memory is "
            f"{memory_gib:g}. Give {least + 0.05:.1f} or more."
        )
    return sides


def _labels(field: Field, box: Box, step: int) -> torch.Tensor:
    """Every `step`-th label of a box, (1, h, w); beyond the image its last row and column."""
    height, width = field.size
    rows, columns = range(box.top, box.bottom, step), range(box.left, box.right, step)
    inside = field.window(_within(rows, height), _within(columns, width))
    beyond = len(rows) - inside.shape[0], len(columns) - inside.shape[1]
    if any(beyond):
        last_row = field.window(range(height - 1, height), _within(columns, width))
        inside = np.concatenate([inside, *[last_row] * beyond[0]])
        last = field.window(_within(rows, height), range(width - 1, width))
        corner = field.window(range(height - 1, height), range(width - 1, width))
        last = np.concatenate([last, *[corner] * beyond[0]])
        inside = np.concatenate([inside, *[last] * beyond[1]], axis=1)
    return torch.from_numpy(np.ascontiguousarray(inside)).long()[None]


def _within(numbers: range, most: int) -> range:
    return range(numbers.start, min(numbers.stop, most), numbers.step)


def _up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
