"""Batch normalization over all ranks, on any device.

n ranks with b tiles each give what `nn.BatchNorm2d` gives on the n·b tiles: output, running
statistics and gradients, also where ranks hold different numbers of tiles, or none. Local (count,
mean, M2) are merged by Chan, Golub & LeVeque (1979), so large means cost no digits. One collective
in the forward pass, one in the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hpc import collectives

_AXES = (0, 2, 3)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Drop-in for `nn.BatchNorm2d` whose batch is the one of all ranks.

    Input (N, C, H, W) of any floating type; statistics are float32 at least. Differentiable twice.
    """

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Normalize; in training by the statistics of all ranks' batches, which are also kept."""
        if not self.training or (collectives.world_size() == 1 and len(x_NCHW)):
            return super().forward(x_NCHW)
        self._check_input_dim(x_NCHW)
        y_NCHW, count, mean_C, variance_C = _Normalize.apply(x_NCHW, self.eps)
        self._keep(count, mean_C, variance_C)
        if not self.affine:
            return y_NCHW
        return (y_NCHW * _per_channel(self.weight) + _per_channel(self.bias)).to(x_NCHW.dtype)

    @torch.no_grad()
    def _keep(self, count: torch.Tensor, mean_C: torch.Tensor, variance_C: torch.Tensor) -> None:
        if (
            self.num_batches_tracked is None
            or self.running_mean is None
            or self.running_var is None
        ):
            return  # track_running_stats=False
        self.num_batches_tracked += 1
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        # A batch that is empty on all ranks says nothing.
        weight = (count > 0).to(self.running_mean.dtype) * momentum
        unbiased_C = variance_C * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), weight)
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), weight)


class _Normalize(torch.autograd.Function):
    """The fused form: saves the input and two vectors, and knows its gradient.

    With m the count over all ranks and x̂ the output, dx = (dy − Σdy/m − x̂·Σ(dy·x̂)/m) / σ.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        count, mean, variance = _global_moments(x)
        scale = torch.rsqrt(variance + eps)
        y = ((_wide(x) - _per_channel(mean)) * _per_channel(scale)).to(x.dtype)
        ctx.save_for_backward(x, mean, scale, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(count, mean, variance)
        return y, count, mean, variance

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None]:
        x, mean, scale, count = ctx.saved_tensors
        if torch.is_grad_enabled():
            # Somebody wants second derivatives: go through differentiable operations.
            with torch.enable_grad():
                (dx,) = torch.autograd.grad(_composite(x, ctx.eps), x, dy, create_graph=True)
            return dx, None
        normalized = (_wide(x) - _per_channel(mean)) * _per_channel(scale)
        wide_dy = _wide(dy)
        sums = torch.stack([wide_dy.sum(_AXES), (wide_dy * normalized).sum(_AXES)])
        mean_dy, mean_dy_normalized = collectives.sum_over_ranks(sums) / count.clamp(min=1)
        dx = wide_dy - _per_channel(mean_dy) - normalized * _per_channel(mean_dy_normalized)
        return (dx * _per_channel(scale)).to(x.dtype), None


def _composite(x: torch.Tensor, eps: float) -> torch.Tensor:
    """The same function from operations that autograd knows, collectives included."""
    _, mean, variance = _global_moments(x)
    y = (_wide(x) - _per_channel(mean)) * _per_channel(torch.rsqrt(variance + eps))
    return y.to(x.dtype)


def _global_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Number of values a channel, their mean and biased variance (C,), over all ranks."""
    wide = _wide(x)
    values = wide.numel() // wide.shape[1]
    # max(..., 1): an empty rank contributes zeros with weight zero.
    mean = wide.sum(_AXES) / max(values, 1)
    m2 = (wide - _per_channel(mean)).square().sum(_AXES)
    local = torch.cat([mean.new_tensor([values]), mean, m2])
    counts, means, m2s = collectives.stack_over_ranks(local).split([1, *[len(mean)] * 2], dim=1)
    count = counts.sum()
    divisor = count.clamp(min=1)
    total_mean = (counts * means).sum(0) / divisor
    total_m2 = (m2s + counts * (means - total_mean).square()).sum(0)
    return count, total_mean, total_m2 / divisor


def _wide(x: torch.Tensor) -> torch.Tensor:
    """At least float32: half precision holds neither the statistics nor their sums."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _per_channel(vector_C: torch.Tensor) -> torch.Tensor:
    return vector_C[None, :, None, None]
