"""Features as rows of pixels and back, each in a single view.

A view starts nothing on a device, but a host takes its time for each: one in place of three.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def pixel_rows(x_NCHW: torch.Tensor) -> torch.Tensor:
    """(N·H·W, C), without copying what is in channels_last; not for autograd."""
    x_NCHW = x_NCHW.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x_NCHW.shape
    return x_NCHW.as_strided((batch * height * width, channels), (channels, 1))


def as_images(rows_MC: torch.Tensor, shape_NHW: Sequence[int]) -> torch.Tensor:
    """(N, C, H, W) in channels_last, of rows of pixels; not for autograd."""
    # What comes of a table on a grid one pixel high may lie column by column.
    rows_MC, channels = rows_MC.contiguous(), rows_MC.shape[1]
    batch, height, width = shape_NHW
    strides = (height * width * channels, 1, width * channels, channels)
    return rows_MC.as_strided((batch, channels, height, width), strides)
