"""Smooth displacements of pixels: how far each pixel of a new map looks aside in the old one."""

from __future__ import annotations

import numpy as np


def smooth_displacement(
    rng: np.random.Generator, size: tuple[int, int], *, most: float, length: float, steepest: float
) -> np.ndarray:
    """Rows and columns to look aside, float64 (2, H, W), at most `most` pixels in each direction.

    It changes over `length` pixels, by no more than `steepest` from a pixel to the next: below 1
    what is two pixels wide is never stepped over.
    """
    weights = [_weights(side, length) for side in size]
    nodes = rng.standard_normal((2, weights[0].shape[1], weights[1].shape[1]))
    field_2HW = weights[0] @ nodes @ weights[1].T
    largest = np.abs(field_2HW).max()
    steps = [np.abs(np.diff(field_2HW, axis=axis)).max(initial=0.0) for axis in (1, 2)]
    # What is left after the stronger of both limits; a map of one pixel has no steps.
    scale = min(most / max(largest, 1e-12), steepest / max(*steps, 1e-12))
    return np.asarray(field_2HW * scale)


def looked_up(labels_HW: np.ndarray, rows_HW: np.ndarray, columns_HW: np.ndarray) -> np.ndarray:
    """The nearest pixel at each of these positions; beyond its edges the map is mirrored."""
    height, width = labels_HW.shape
    return np.asarray(labels_HW[_mirrored(rows_HW, height), _mirrored(columns_HW, width)])


def _weights(side: int, length: float) -> np.ndarray:
    """How much each pixel takes of each node, (side, nodes): a Gaussian of the distance."""
    nodes = np.arange(-length, side + 2 * length, length)
    distance = (np.arange(side)[:, None] - nodes) / length
    return np.asarray(np.exp(-(distance**2)))


def _mirrored(positions: np.ndarray, side: int) -> np.ndarray:
    period = max(2 * side - 2, 1)
    index = np.rint(positions).astype(np.int64) % period
    return np.minimum(index, period - index) if side > 1 else np.zeros_like(index)
