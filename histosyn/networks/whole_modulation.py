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
from histosyn.networks.pixel_rows import as_images, pixel_rows
from hpc import collectives


def forward(
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> torch.Tensor:
    """lrelu(x·A + B), (N, C, H, W)."""
    x = pixel_rows(x_NChw)
    a, y = (_looked_up(rows.to(x.dtype), pixels) for rows in fold(table_R2C, statistics))
    _beside(y, x_NChw).addcmul_(_spread(x, x_NChw, pixels), _beside(a, x_NChw))
    return as_images(y if slope == 1 else functional.leaky_relu_(y, slope), pixels.shape_NHW)


def backward(
    dy: torch.Tensor,
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    y: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of x and of the table; `dy` and `y` are (M, C)."""
    x = pixel_rows(x_NChw)
    g, da, db = _summed(dy, x, x_NChw, y, pixels, statistics, slope)
    a_RC = scaled(table_R2C, statistics)
    centred = torch.addcmul(da, db, statistics.mean_C, value=-1)
    dtable = torch.cat([centred * statistics.scale_C, db], dim=1).to(table_R2C.dtype)
    batch, _, height, width = x_NChw.shape
    if statistics.count is None:
        dx = _through_values(g, x_NChw, a_RC, pixels)
        return as_images(dx, (batch, height, width)), dtable
    # What comes through the mean, and through the scale times the scale.
    sums_2C = torch.stack([(db * a_RC).sum(0), (centred * a_RC).sum(0)])
    sums_2C = collectives.sum_over_ranks(sums_2C)
    dmean_C, dscale_C = (sums_2C / -at_least_one(statistics.count)).unbind()
    per_value_C = dscale_C * statistics.scale_C.square()
    constant_C = torch.addcmul(dmean_C, per_value_C, statistics.mean_C, value=-1)
    dx = _through_values(g, x_NChw, a_RC, pixels)
    dx.addcmul_(x, per_value_C.to(x.dtype)).add_(constant_C.to(x.dtype))
    return as_images(dx, (batch, height, width)), dtable


def _summed(
    dy: torch.Tensor,
    x: torch.Tensor,
    x_NChw: torch.Tensor,
    y: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """g (M, C), and the sums of g·x and of g over the pixels of each row of the table, (R, C)."""
    dtype = statistics.mean_C.dtype
    spread = _spread(x, x_NChw, pixels)
    if pixels.index_M is None:
        g = _before_activation(dy, y, slope)
        gx = (_beside(g, x_NChw) * spread).view(g.shape)
        return g, gx.to(dtype), g.to(dtype)
    sums_M2C = dy.new_empty(len(dy), 2 * x.shape[1])
    gx, g = sums_M2C.chunk(2, dim=1)
    _before_activation(dy, y, slope, out=g)
    torch.mul(_beside(g, x_NChw), spread, out=_beside(gx, x_NChw))
    summation = pixels.summation
    sums_R2C = summation.total(summation.sums(0, sums_M2C))
    da, db = sums_R2C.to(dtype).chunk(2, dim=1)
    return g, da, db


def _before_activation(
    dy: torch.Tensor, y: torch.Tensor, slope: float, out: torch.Tensor | None = None
) -> torch.Tensor:
    """The gradient before the activation, which its result tells as well as what it was of."""
    if slope == 1:
        return dy if out is None else out.copy_(dy)
    if out is None:
        return torch.ops.aten.leaky_relu_backward(dy, y, slope, True)
    return torch.ops.aten.leaky_relu_backward.grad_input(dy, y, slope, True, grad_input=out)


def _through_values(
    g_MC: torch.Tensor, x_NChw: torch.Tensor, a_RC: torch.Tensor, pixels: Pixels
) -> torch.Tensor:
    """g·A, summed over the pixels of each value of x, (m, C). May use up A."""
    products = _beside(_looked_up(a_RC.to(x_NChw.dtype), pixels).mul_(g_MC), x_NChw)
    return products if products.dim() == 2 else products.sum((1, 3)).flatten(0, 1)


def _looked_up(rows_RC: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """(M, C), fresh."""
    return rows_RC if pixels.index_M is None else rows_RC.index_select(0, pixels.index_M)


def _beside(pixels_MC: torch.Tensor, x_NChw: torch.Tensor) -> torch.Tensor:
    """(N·h, 2, w, 2, C), beside x that stands for 2x2 pixels each; (M, C) if it does not."""
    batch, _, height, width = x_NChw.shape
    if len(pixels_MC) == batch * height * width:
        return pixels_MC
    return pixels_MC.unflatten(0, (batch * height, 2, width, 2))


def _spread(x: torch.Tensor, x_NChw: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """Rows of x, to be broadcast to `_beside`."""
    batch, channels, height, width = x_NChw.shape
    if width == pixels.shape_NHW[2]:
        return x
    return x.view(batch * height, 1, width, 1, channels)
