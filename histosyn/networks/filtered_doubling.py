"""Filtered doubling: each new pixel lies a quarter between two old ones, in both directions.

Bilinear interpolation at the centres of pixels, beyond the border the last one repeated: along an
axis 3/4 of the nearest pixel and 1/4 of the next. Unlike mere repetition it brings in no frequency
of the grid (Karras et al., "Alias-free generative adversarial networks", NeurIPS 2021).

A quarter is exact in floating point, so there is one rounding a pixel and direction, and a value
does not depend on the window that it is computed in, as it does with PyTorch's own interpolation.
"""

from __future__ import annotations

from typing import Any

import torch


def filtered_doubling(x_NCHW: torch.Tensor) -> torch.Tensor:
    """(N, C, 2H, 2W) in channels_last, of the type of x. Differentiable as often as wanted."""
    doubled: torch.Tensor = _Doubled.apply(x_NCHW)
    return doubled


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x_NCHW.shape
        pixels = x_NCHW.permute(0, 2, 3, 1).contiguous()
        rows = _along(pixels.view(batch, height, width * channels))
        both = _along(rows.view(batch * 2 * height, width, channels))
        return both.view(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        gradient: torch.Tensor = _Gathered.apply(gradients[0])
        return gradient


class _Gathered(torch.autograd.Function):
    """The transpose of `_Doubled`."""

    @staticmethod
    def forward(ctx: Any, dy_NCHW: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = dy_NCHW.shape
        pixels = dy_NCHW.permute(0, 2, 3, 1).contiguous()
        columns = _gathered(pixels.view(batch * height, width // 2, 2, channels))
        both = _gathered(columns.view(batch, height // 2, 2, width // 2 * channels))
        return both.view(batch, height // 2, width // 2, channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return filtered_doubling(gradients[0])


def _along(x_BLR: torch.Tensor) -> torch.Tensor:
    """(B, L, 2, R): each place twice, leaning to the one before and to the one behind."""
    nearest = x_BLR * 0.75
    doubled = x_BLR.new_empty(*x_BLR.shape[:2], 2, x_BLR.shape[2])
    for side, (place, beside) in enumerate(_SIDES):
        torch.add(nearest[:, place], x_BLR[:, beside], alpha=0.25, out=doubled[:, place, side])
        end = _ENDS[side]
        torch.add(nearest[:, end], x_BLR[:, end], alpha=0.25, out=doubled[:, end, side])
    return doubled


def _gathered(dy_BL2R: torch.Tensor) -> torch.Tensor:
    """(B, L, R): the transpose of `_along`."""
    gathered = (dy_BL2R[:, :, 0] + dy_BL2R[:, :, 1]).mul_(0.75)
    for side, (place, beside) in enumerate(_SIDES):
        gathered[:, beside].add_(dy_BL2R[:, place, side], alpha=0.25)
        end = _ENDS[side]
        gathered[:, end].add_(dy_BL2R[:, end, side], alpha=0.25)
    return gathered


# For each of the two new places: which old ones have a neighbour on that side, and which it is.
_SIDES = ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None)))
# The old place that has none, at the border.
_ENDS = (slice(0, 1), slice(-1, None))
