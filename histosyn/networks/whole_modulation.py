"""The fused modulation of `histosyn.networks.fused_modulation`, all pixels at once.

For what fits into one block: everything on a GPU, where what takes time is to start an operation,
and small grids on a CPU. The same function and the same notation, in as few operations as there
can be.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from histosyn.networks.batch_moments import Statistics, at_least_one
from histosyn.networks.folded_tables import fold, scaled
from histosyn.networks.pixel_blocks import Pixels
from hpc import collectives


def forward(
    x: torch.Tensor,
    table_R2C: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> torch.Tensor:
    """lrelu(x·A + B), (M, C), for image rows x (N·h, w, C)."""
    a, y = (_looked_up(rows.to(x.dtype), pixels) for rows in fold(table_R2C, statistics))
    _per_pixel(y, x).addcmul_(_spread(x, pixels), _per_pixel(a, x))
    return y if slope == 1 else functional.leaky_relu_(y, slope)


def backward(
    dy: torch.Tensor,
    x: torch.Tensor,
    table_R2C: torch.Tensor,
    y: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of x, image rows, and of the table; `dy` and `y` are (M, C)."""
    sums_M2C = dy.new_empty(len(dy), 2 * x.shape[2])
    gx, g = sums_M2C.chunk(2, dim=1)
    if slope == 1:
        g.copy_(dy)
    else:
        torch.ops.aten.leaky_relu_backward.grad_input(dy, y, slope, True, grad_input=g)
    torch.mul(_per_pixel(g, x), _spread(x, pixels), out=_per_pixel(gx, x))
    a_RC = scaled(table_R2C, statistics)
    da, db = _summed(sums_M2C, pixels).to(statistics.mean_C.dtype).chunk(2, dim=1)
    centred = torch.addcmul(da, db, statistics.mean_C, value=-1)
    dtable = torch.cat([centred * statistics.scale_C, db], dim=1).to(table_R2C.dtype)
    if statistics.count is None:
        return _through_values(g, x, a_RC, pixels), dtable
    # What comes through the mean, and through the scale times the scale.
    sums_2C = torch.stack([(db * a_RC).sum(0), (centred * a_RC).sum(0)])
    sums_2C = collectives.sum_over_ranks(sums_2C)
    dmean_C, dscale_C = (sums_2C / -at_least_one(statistics.count)).unbind()
    per_value_C = dscale_C * statistics.scale_C.square()
    constant_C = torch.addcmul(dmean_C, per_value_C, statistics.mean_C, value=-1)
    dx = _through_values(g, x, a_RC, pixels)
    dx.addcmul_(x, per_value_C.to(x.dtype)).add_(constant_C.to(x.dtype))
    return dx, dtable


def _through_values(
    g_MC: torch.Tensor, x: torch.Tensor, a_RC: torch.Tensor, pixels: Pixels
) -> torch.Tensor:
    """g·A, summed over the pixels of each value of x. May use up A."""
    products = _per_pixel(_looked_up(a_RC.to(x.dtype), pixels).mul_(g_MC), x)
    return products if products.dim() == x.dim() else products.sum((1, 3))


def _looked_up(rows_RC: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """(M, C), fresh."""
    return rows_RC if pixels.index_M is None else rows_RC.index_select(0, pixels.index_M)


def _summed(sums_MC: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """(R, C), over the pixels of each row of the table."""
    if pixels.index_M is None:
        return sums_MC
    summation = pixels.summation
    return summation.total(summation.sums(0, sums_MC))


def _per_pixel(pixels_MC: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(N·h, factor, w, factor, C), beside image rows of x; (N·h, w, C) if there is one for each."""
    rows, width = x.shape[:2]
    if len(pixels_MC) == rows * width:
        return pixels_MC.unflatten(0, (rows, width))
    return pixels_MC.unflatten(0, (rows, 2, width, 2))


def _spread(x: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """To be broadcast to `_per_pixel`."""
    return x if x.shape[1] == pixels.shape_NHW[2] else x[:, None, :, None]
