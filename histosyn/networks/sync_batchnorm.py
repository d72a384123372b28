"""Batch normalization over all ranks, on any device.

n ranks with b tiles each give what `nn.BatchNorm2d` gives on the n·b tiles: output, running
statistics and gradients, also where ranks hold different numbers of tiles, or none. One collective
in the forward pass, one in the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import nn

from histosyn.networks.batch_moments import (
    Count,
    Moments,
    Statistics,
    at_least_float32,
    at_least_one,
    global_moments,
    per_channel,
)
from histosyn.networks.recompute import computed_again
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
        return (y_NCHW * per_channel(self.weight) + per_channel(self.bias)).to(x_NCHW.dtype)

    def statistics(self, moments: Moments | None, times: int = 1) -> Statistics:
        """What to normalize features by that have these moments.

        In training the moments, which are kept as those of a batch that holds each value `times`
        times; without them the running statistics.
        """
        if moments is not None:
            self._keep(moments.count * times, moments.mean_C, moments.variance_C)
            scale_C = torch.rsqrt(moments.variance_C + self.eps)
            return Statistics(
                mean_C=moments.mean_C, scale_C=scale_C, count=moments.count, eps=self.eps
            )
        assert self.running_mean is not None
        assert self.running_var is not None
        return Statistics(
            mean_C=self.running_mean, scale_C=torch.rsqrt(self.running_var + self.eps)
        )

    @torch.no_grad()
    def _keep(self, count: Count, mean_C: torch.Tensor, variance_C: torch.Tensor) -> None:
        if (
            computed_again()
            or self.num_batches_tracked is None
            or self.running_mean is None
            or self.running_var is None
        ):
            return  # or track_running_stats=False
        waiting = _WAITING.get()
        if (
            waiting is not None
            and self.momentum is not None
            and isinstance(count, float)
            and count > 0
        ):
            unbiased = count / max(count - 1, 1.0)
            waiting.append(_Seen(norm=self, mean_C=mean_C, variance_C=variance_C, times=unbiased))
            return
        self.num_batches_tracked += 1
        # A batch that is empty on all ranks says nothing.
        weight: Any = (count > 0).to(self.running_mean) if torch.is_tensor(count) else count > 0
        if self.momentum is None:
            weight = weight * self.num_batches_tracked.to(self.running_mean.dtype).reciprocal()
        else:
            weight = weight * self.momentum
        unbiased_C = variance_C * (count / at_least_one(count - 1))
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), weight)
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), weight)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What a norm is to take into its running statistics; the variance counts `times`."""

    norm: SyncBatchNorm2d
    mean_C: torch.Tensor
    variance_C: torch.Tensor
    times: float


_WAITING: ContextVar[list[_Seen] | None] = ContextVar("statistics that wait", default=None)


@contextmanager
def kept_together() -> Iterator[None]:
    """Running statistics of all norms that are used here change at the end, in a few operations."""
    token = _WAITING.set([])
    try:
        yield
        _keep_all(_WAITING.get() or [])
    finally:
        _WAITING.reset(token)


@torch.no_grad()
def _keep_all(seen: list[_Seen]) -> None:
    for momentum, group in groupby(sorted(seen, key=_momentum), key=_momentum):
        same = list(group)
        norms = [each.norm for each in same]
        counts: list[Any] = [norm.num_batches_tracked for norm in norms]
        torch._foreach_add_(counts, 1)
        means: list[Any] = [norm.running_mean for norm in norms]
        torch._foreach_lerp_(means, _of_type(means, [each.mean_C for each in same]), momentum)
        variances: list[Any] = [norm.running_var for norm in norms]
        unbiased = torch._foreach_mul(
            _of_type(variances, [each.variance_C for each in same]), [each.times for each in same]
        )
        torch._foreach_lerp_(variances, unbiased, momentum)


def _momentum(seen: _Seen) -> float:
    assert seen.norm.momentum is not None
    return seen.norm.momentum


def _of_type(like: list[Any], tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [tensor.to(each.dtype) for each, tensor in zip(like, tensors, strict=True)]


class _Normalize(torch.autograd.Function):
    """The fused form: saves the input and two vectors, and knows its gradient.

    With m the count over all ranks and x̂ the output, dx = (dy − Σdy/m − x̂·Σ(dy·x̂)/m) / σ.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        moments = global_moments(x)
        count, mean, variance = moments.count, moments.mean_C, moments.variance_C
        assert isinstance(count, torch.Tensor)
        scale = torch.rsqrt(variance + eps)
        y = ((at_least_float32(x) - per_channel(mean)) * per_channel(scale)).to(x.dtype)
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
        normalized = (at_least_float32(x) - per_channel(mean)) * per_channel(scale)
        wide_dy = at_least_float32(dy)
        sums = torch.stack([wide_dy.sum(_AXES), (wide_dy * normalized).sum(_AXES)])
        mean_dy, mean_dy_normalized = collectives.sum_over_ranks(sums) / count.clamp(min=1)
        dx = wide_dy - per_channel(mean_dy) - normalized * per_channel(mean_dy_normalized)
        return (dx * per_channel(scale)).to(x.dtype), None


def _composite(x: torch.Tensor, eps: float) -> torch.Tensor:
    """The same function from operations that autograd knows, collectives included."""
    moments = global_moments(x)
    scale = torch.rsqrt(moments.variance_C + eps)
    y = (at_least_float32(x) - per_channel(moments.mean_C)) * per_channel(scale)
    return y.to(x.dtype)
