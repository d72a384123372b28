"""Synthesis of one tile: a label map goes through the network alone, never in a batch.

Floating-point results of a convolution may depend on the batch they are computed in, and here the
same seed must give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike

from histosyn.labels.field import ArrayField
from histosyn.labels.label_map import LabelSchema
from histosyn.models.fixed_size import require_sizes
from histosyn.models.folder import Model
from histosyn.networks.generator import draw_noise
from histosyn.networks.inference import to_uint8
from histosyn.stain.seen import Code
from histosyn.synthesis.activation_cache import ActivationCache
from histosyn.synthesis.field_tissue import (
    DEFAULT_MEMORY_GIB,
    FieldTissue,
    require_finite_tile,
)
from histosyn.synthesis.rerolls import Rerolls, paint_tissue, painting_key
from hpc.determinism import deterministic
from hpc.device_copies import sent
from hpc.errors import LabelError

_NAMED_CLASSES = 12
# Pixels of a label map that goes through the network at once.
WHOLE_UP_TO = 1 << 20


@torch.inference_mode()
def synthesize(
    model: Model,
    labels_HW: ArrayLike,
    noise_key: int,
    stain: Code | None = None,
    memory_gib: float = DEFAULT_MEMORY_GIB,
) -> np.ndarray:
    """One tile, uint8 (H, W, 3), for one label map (H, W) of class indices.

    The map may be an array, a list or a tensor of any type of whole numbers, at the model's microns
    per pixel. `noise_key` is any whole number: the same one gives the same tile, another one
    other tissue for the same map. `stain` is a code (see `histosyn.stain.code`) for a model that
    takes one; without it, that of a training tile drawn by the key. A map of more than a million
    pixels is made in windows, which give the same tile in no more memory than `memory_gib`.

    Raises LabelError for anything else, for an index that is none of the model's classes, and for
    another size than the one that the model makes, if it makes only one; HistosynError if what it
    makes is not finite.
    """
    labels_HW = class_indices(labels_HW, model.facts.schema)
    device = model.network.exit.weight.device
    height, width = labels_HW.shape
    require_sizes({"The label map": (height, width)}, model.facts.generator)
    if stain is None and len(model.facts.stains):
        stain = model.facts.stains.draw(int(noise_key))
    if height * width > WHOLE_UP_TO:
        field = ArrayField(labels_HW)
        return FieldTissue(model, field, int(noise_key), stain, memory_gib).whole()
    labels = torch.from_numpy(labels_HW).long()[None]
    noise = draw_noise([int(noise_key)], model.facts.generator, height, width, device)
    if stain is not None:
        noise = replace(noise, stain=sent(torch.tensor([stain]), device))
    with deterministic():
        return _as_tile(model, model.network(labels, noise))


@torch.inference_mode()
def synthesize_painted(
    model: Model,
    labels_HW: ArrayLike,
    seed: int,
    rerolls: Rerolls,
    on_progress: Callable[[float], None] = lambda share: None,
    cache: ActivationCache | None = None,
    stain: Code | None = None,
    key_for: Callable[[int], int] = painting_key,
) -> tuple[np.ndarray, bool]:
    """One tile, uint8 (H, W, 3), with areas of noise of their own, and whether it is exact.

    `on_progress`, `cache` and `key_for` as in `paint_tissue`; without a cache every tile is exact.
    Raises LabelError as `synthesize` does, and if the areas are not those of a map of this size.
    """
    labels_HW = class_indices(labels_HW, model.facts.schema)
    require_sizes({"The label map": labels_HW.shape}, model.facts.generator)
    if rerolls.areas_HW.shape != labels_HW.shape:
        raise LabelError(
            f"The label map is {_size(labels_HW)} pixels, the map of re-rolled areas "
            f"{_size(rerolls.areas_HW)}. They must be equal."
        )
    with deterministic():
        how = (on_progress, cache, stain, key_for)
        made = paint_tissue(model.network, labels_HW, seed, rerolls, *how)
        return _as_tile(model, made.values), made.exact


def _as_tile(model: Model, values_NCHW: torch.Tensor) -> np.ndarray:
    require_finite_tile(model, values_NCHW)
    return to_uint8(values_NCHW)[0]


def class_indices(labels_HW: ArrayLike, schema: LabelSchema) -> np.ndarray:
    """A label map as uint8 (H, W) of indices that the schema has.

    Raises LabelError for another shape, another type than whole numbers, or an unknown index.
    """
    array = np.asarray(labels_HW.cpu() if isinstance(labels_HW, torch.Tensor) else labels_HW)
    if array.ndim != 2 or not array.size:
        raise LabelError(
            f"A label map has the shape (H, W), not {array.shape}. Give one map of class indices, "
            "without channels or batch."
        )
    if array.dtype.kind not in "iu":
        raise LabelError(
            f"A label map holds class indices, whole numbers, not {array.dtype}. Convert it."
        )
    # Only those that fit into a byte can be looked up; the others are unknown anyway.
    fits = (array >= 0) & (array <= 255)
    known = fits & schema.allowed[np.where(fits, array, 0).astype(np.uint8)]
    if not known.all():
        unknown, pixels = np.unique(array[~known], return_counts=True)
        worst = pixels.argmax()
        raise LabelError(
            f"The label map has value {unknown[worst]} ({pixels[worst]} pixels), which is no class "
            f"of {schema.name}: {_classes(schema)}. Relabel it, or use a model of its classes."
        )
    return np.array(array, dtype=np.uint8, order="C")


def _classes(schema: LabelSchema) -> str:
    named = [f"{index} {item.name}" for index, item in enumerate(schema.classes)]
    if schema.ignore is not None:
        named.append(f"{schema.ignore} (ignored)")
    if len(named) <= _NAMED_CLASSES:
        return ", ".join(named)
    return f"{', '.join(named[: _NAMED_CLASSES - 1])}, ... {named[-1]}"


def _size(array_HW: np.ndarray) -> str:
    return "x".join(map(str, reversed(array_HW.shape)))
