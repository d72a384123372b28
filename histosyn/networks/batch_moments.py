"""Mean and variance of features over all ranks.

Local (count, mean, M2) are merged by Chan, Golub & LeVeque, "Algorithms for computing the sample
variance", 1979, so large means cost no digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from histosyn.networks.pixel_rows import pixel_rows
from hpc import collectives

_AXES = (0, 2, 3)
# Values summed at a time: what fits into a processor's cache.
_BLOCK = 1 << 17


Count = torch.Tensor | float


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Of features over all ranks: values a channel, their mean and biased variance (C,).

    The count is a number where this process alone knows it.
    """

    count: Count
    mean_C: torch.Tensor
    variance_C: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """What features are normalized by: mean and 1/σ of each channel, (C,), float32 at least.

    `count` is the number of values a channel over all ranks if the statistics are those of the
    features themselves, with `eps` added to the variance; then gradients pass through them.
    None: they are constants.
    """

    mean_C: torch.Tensor
    scale_C: torch.Tensor
    count: Count | None = None
    eps: float = 0.0


@torch.no_grad()
def measure(x_NCHW: torch.Tensor) -> Moments:
    """The moments of features (N, C, H, W), best in channels_last; every rank calls it."""
    rows_MC = pixel_rows(x_NCHW)
    if x_NCHW.device.type != "cpu" and len(rows_MC):
        local = _in_one_pass(rows_MC)
    else:
        parts = rows_MC.split(max(_BLOCK // rows_MC.shape[1], 1))
        local = _merged(torch.stack([_moments_of(part) for part in parts]))
    if collectives.world_size() == 1:
        return replace(local, count=float(len(rows_MC)))
    return _merged(collectives.stack_over_ranks(_as_one(local)))


def _in_one_pass(rows_MC: torch.Tensor) -> Moments:
    """By Welford's method, as PyTorch computes it on a GPU."""
    variance_C, mean_C = torch.var_mean(at_least_float32(rows_MC), dim=0, correction=0)
    return Moments(count=float(len(rows_MC)), mean_C=mean_C, variance_C=variance_C)


def global_moments(x_NCHW: torch.Tensor) -> Moments:
    """`measure`, differentiable."""
    wide = at_least_float32(x_NCHW)
    values = wide.numel() // wide.shape[1]
    # max(..., 1): an empty rank contributes zeros with weight zero.
    mean_C = wide.sum(_AXES) / max(values, 1)
    m2_C = (wide - per_channel(mean_C)).square().sum(_AXES)
    local = torch.cat([mean_C.new_full((1,), values), mean_C, m2_C])
    return _merged(collectives.stack_over_ranks(local))


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Half precision holds neither the statistics nor their sums."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def per_channel(vector_C: torch.Tensor) -> torch.Tensor:
    """(1, C, 1, 1)."""
    return vector_C[None, :, None, None]


def _moments_of(rows_MC: torch.Tensor) -> torch.Tensor:
    """Count, mean and M2 of rows as one vector (1 + 2C,)."""
    wide = at_least_float32(rows_MC)
    mean_C = wide.sum(0) / max(len(wide), 1)
    m2_C = (wide - mean_C).square_().sum(0)
    return torch.cat([mean_C.new_full((1,), len(wide)), mean_C, m2_C])


def _as_one(moments: Moments) -> torch.Tensor:
    """Count, mean and M2 as one vector (1 + 2C,)."""
    count = moments.count
    if not isinstance(count, torch.Tensor):
        count = moments.mean_C.new_full((), count)
    return torch.cat([count[None], moments.mean_C, moments.variance_C * count])


def at_least_one(count: Count) -> Count:
    """To divide by."""
    return count.clamp(min=1) if isinstance(count, torch.Tensor) else max(count, 1.0)


def _merged(parts: torch.Tensor) -> Moments:
    """Of several (parts, 1 + 2C) vectors of count, mean and M2."""
    channels = parts.shape[1] // 2
    counts, means, m2s = parts.split([1, channels, channels], dim=1)
    count = counts.sum()
    divisor = count.clamp(min=1)
    mean_C = (counts * means).sum(0) / divisor
    m2_C = (m2s + counts * (means - mean_C).square()).sum(0)
    return Moments(count=count, mean_C=mean_C, variance_C=m2_C / divisor)
