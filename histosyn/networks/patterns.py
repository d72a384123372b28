"""The label map at each resolution of a network, and what all layers of a resolution share."""

from __future__ import annotations

import torch

# The label of pixels that belong to no class.
IGNORED = 255


class Level:
    """A batch of label maps at one resolution: `labels_NHW`, int64 in [0, classes) or IGNORED."""

    def __init__(self, labels_NHW: torch.Tensor, classes: int) -> None:
        self.labels_NHW = labels_NHW
        self.classes = classes


class LabelPyramid:
    """Levels of a batch of label maps, each side twice as long as that of the level before.

    `stride` divides both sides of the label maps; the first level has a pixel for each cell of
    `stride` x `stride` pixels, the last one is the label maps themselves.
    """

    def __init__(self, labels_NHW: torch.Tensor, stride: int, classes: int) -> None:
        factors = [stride >> number for number in range(stride.bit_length())]
        self.levels = tuple(Level(shrink(labels_NHW, factor), classes) for factor in factors)


def one_hot(labels_NHW: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """(N, K, H, W) indicator of the classes, made on the labels' device; no class is all zeros."""
    class_K = torch.arange(classes, device=labels_NHW.device, dtype=labels_NHW.dtype)
    return (labels_NHW[:, None] == class_K[:, None, None]).to(dtype)


def shrink(labels_NHW: torch.Tensor, factor: int) -> torch.Tensor:
    """Nearest-neighbour reduction: the upper left pixel of each `factor` x `factor` cell.

    A function of absolute pixel positions, so a window on the grid of cells gives the same cells.
    """
    return labels_NHW[:, ::factor, ::factor]
