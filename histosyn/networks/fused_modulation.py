"""Normalization, modulation and activation in one pass over the features, and one back.

With the rows γ, β of a table, of which each pixel has one, and x̂ = (x − μ)·s:

    y = lrelu(x̂·(1 + γ) + β) = lrelu(x·A + B),  A = (1 + γ)·s,  B = β − μ·A

A and B are made for the rows of the table, which are few, and looked up for the pixels. Backward, g
being the gradient before the activation: dA = Σ g·x and dB = Σ g over the pixels of a row, the
gradients of γ, β, μ and s follow from these on the table, and what remains for the pixels is
dx = g·A + a·x + b, where a, b (C,) carry what passes through the batch statistics. Only x and y are
kept, and y is kept as the next convolution's input anyway.

x may have half as many pixels a side: each then stands for 2x2 pixels (nearest doubling), which are
never written down.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from histosyn.networks import whole_modulation
from histosyn.networks.batch_moments import (
    Count,
    Statistics,
    at_least_one,
    global_moments,
    per_channel,
)
from histosyn.networks.folded_tables import Gradients, folded_rows
from histosyn.networks.full_precision import doubled
from histosyn.networks.pixel_blocks import Pixels
from histosyn.networks.pixel_rows import as_images, pixel_rows
from hpc import collectives


def modulate(
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float = 1.0,
) -> torch.Tensor:
    """lrelu(normalized x·(1 + γ) + β), (N, C, H, W) in channels_last; H = h or 2·h.

    Row r of the table holds γ and then β. Differentiable twice in x and the table.
    """
    return _Modulate.apply(x_NChw, table_R2C, pixels, statistics, slope)


class _Modulate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_NChw: torch.Tensor,
        table_R2C: torch.Tensor,
        pixels: Pixels,
        statistics: Statistics,
        slope: float,
    ) -> torch.Tensor:
        y_NCHW = _forward(x_NChw, table_R2C, pixels, statistics, slope)
        ctx.save_for_backward(x_NChw, table_R2C, y_NCHW)
        ctx.pixels, ctx.statistics, ctx.slope = pixels, statistics, slope
        return y_NCHW

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        (dy_NCHW,) = gradients
        x, table, y = ctx.saved_tensors
        given = (ctx.pixels, ctx.statistics, ctx.slope)
        if torch.is_grad_enabled():
            # Somebody wants second derivatives: go through differentiable operations.
            wanted = [tensor for tensor in (x, table) if tensor.requires_grad]
            composite = _composite(x, table, *given)
            found = iter(torch.autograd.grad(composite, wanted, dy_NCHW, create_graph=True))
            dx, dtable = (next(found) if like.requires_grad else None for like in (x, table))
            return dx, dtable, None, None, None
        return *_backward(dy_NCHW, x, table, y, *given), None, None, None


def _forward(
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> torch.Tensor:
    if len(pixels.blocks) == 1:
        return whole_modulation.forward(x_NChw, table_R2C, pixels, statistics, slope)
    x = _image_rows(x_NChw)
    y = x.new_empty(len(pixels), x.shape[2])
    rows = folded_rows(table_R2C, pixels, statistics, x.dtype)
    split = _Split(x, pixels)
    for block in split.blocks:
        part = pixels.of(block)
        a, b = rows.a_b(part)
        torch.addcmul(split(b), split.spread(x, block), split(a), out=split(y[part]))
        if slope != 1:
            functional.leaky_relu_(y[part], slope)
    return as_images(y, pixels.shape_NHW)


def _backward(
    dy_NCHW: torch.Tensor,
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    y_NCHW: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    dy, y = pixel_rows(dy_NCHW.to(x_NChw.dtype)), pixel_rows(y_NCHW)
    if len(pixels.blocks) == 1:
        given = (pixels, statistics, slope)
        return whole_modulation.backward(dy, x_NChw, table_R2C, y, *given)
    x = _image_rows(x_NChw)
    dx = torch.empty_like(x)
    rows = folded_rows(table_R2C, pixels, statistics, x.dtype)
    split = _Split(x, pixels)
    for number, block in enumerate(split.blocks):
        part = pixels.of(block)
        sums = dy.new_empty(part.stop - part.start, 2 * x.shape[2])
        gx, g = sums.chunk(2, dim=1)
        _before_activation(dy[part], y[part], slope, g)
        torch.mul(split(g), split.spread(x, block), out=split(gx))
        rows.add(number, sums)
        split.sum(rows.a(part).mul_(g), out=split.of(dx, block))
    gradients = rows.gradients()
    if statistics.count is not None:
        _add_through_statistics(dx, x, gradients, statistics, statistics.count, split)
    batch, _, height, width = x_NChw.shape
    return as_images(dx.flatten(0, 1), (batch, height, width)), gradients.table_R2C


def _before_activation(dy: torch.Tensor, y: torch.Tensor, slope: float, out: torch.Tensor) -> None:
    if slope == 1:
        out.copy_(dy)
    else:
        torch.ops.aten.leaky_relu_backward.grad_input(dy, y, slope, True, grad_input=out)


def _add_through_statistics(
    dx: torch.Tensor,
    x: torch.Tensor,
    gradients: Gradients,
    statistics: Statistics,
    count: Count,
    split: _Split,
) -> None:
    """dx += dμ/m + dσ²·2·(x − μ)/m, dσ² = −ds·s³/2, m values over all ranks."""
    both = torch.stack([gradients.mean_C, gradients.scale_C])
    dmean_C, dscale_C = collectives.sum_over_ranks(both) / at_least_one(count)
    per_value_C = -dscale_C * statistics.scale_C**3
    constant_C = (dmean_C - per_value_C * statistics.mean_C).to(x.dtype)
    for block in split.blocks:
        part = split.of(dx, block)
        part.addcmul_(split.of(x, block), per_value_C.to(x.dtype)).add_(constant_C)


def _composite(
    x_NChw: torch.Tensor,
    table_R2C: torch.Tensor,
    pixels: Pixels,
    statistics: Statistics,
    slope: float,
) -> torch.Tensor:
    """The same function from operations that autograd knows, collectives included."""
    mean_C, scale_C = statistics.mean_C, statistics.scale_C
    if statistics.count is not None:
        moments = global_moments(x_NChw)
        mean_C, scale_C = moments.mean_C, torch.rsqrt(moments.variance_C + statistics.eps)
    normalized = (x_NChw - per_channel(mean_C)) * per_channel(scale_C)
    if x_NChw.shape[2] != pixels.shape_NHW[1]:
        normalized = doubled(normalized)
    rows = table_R2C if pixels.index_M is None else table_R2C.index_select(0, pixels.index_M)
    gamma, beta = rows.view(*pixels.shape_NHW, rows.shape[1]).permute(0, 3, 1, 2).chunk(2, dim=1)
    return functional.leaky_relu(normalized * (1 + gamma) + beta, slope).to(x_NChw.dtype)


def _image_rows(x_NCHW: torch.Tensor) -> torch.Tensor:
    """(N·H, W, C), without copying what is in channels_last."""
    batch, channels, height, width = x_NCHW.shape
    return pixel_rows(x_NCHW).view(batch * height, width, channels)


class _Split:
    """Views that put each pixel of a block beside the one of x that it belongs to.

    x has image rows (N·h, w, C), and `factor` x `factor` pixels for each of its own.
    """

    def __init__(self, x: torch.Tensor, pixels: Pixels) -> None:
        self.width = x.shape[1]
        self.factor = pixels.shape_NHW[2] // max(self.width, 1)
        self.blocks = pixels.blocks

    def __call__(self, pixels_MC: torch.Tensor) -> torch.Tensor:
        """(rows of x, factor, w, factor, C)."""
        return pixels_MC.unflatten(0, (-1, self.factor, self.width, self.factor))

    def of(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """The image rows of x that a block belongs to."""
        return x[block.start // self.factor : block.stop // self.factor]

    def spread(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """The same, to be broadcast to the pixels of the block."""
        return self.of(x, block)[:, None, :, None]

    def sum(self, pixels_MC: torch.Tensor, out: torch.Tensor) -> None:
        """Sum what belongs to the same pixel of x."""
        pixels = self(pixels_MC)
        out.copy_(pixels[:, 0, :, 0])
        for i, j in [(i, j) for i in range(self.factor) for j in range(self.factor)][1:]:
            out.add_(pixels[:, i, :, j])
