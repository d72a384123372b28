"""Terms of the generator's loss that compare what can be counted in tiles: stain and spectrum."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from histosyn.networks.batch_moments import at_least_float32
from histosyn.networks.stain_input import StainInput
from histosyn.stain.code import stain_code
from histosyn.training.losses import Compute, DiscriminatorOutputs

# Rings of frequencies, in cycles a pixel: up to 0.5 along an axis and to 0.71 in the corner.
_RINGS = 14
_SMALLEST_POWER = 1e-6


def stain_difference(stain: StainInput) -> Compute:
    """Mean |code of the synthetic tile − code that was given|, in spreads over training tiles."""

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        assert outputs.stain_NS is not None
        made = stain.standardized(stain_code(outputs.synthetic_NCHW))
        return functional.l1_loss(made, stain.standardized(outputs.stain_NS))

    return compute


def spectrum_difference(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over rings, channels and tiles of |log energy of synthetic − log energy of real|.

    After Durall, Keuper & Keuper, "Watch your up-convolution: CNN based generative deep neural
    networks are failing to reproduce spectral distributions", CVPR 2020, with logarithms, so that
    faint grain counts as much as coarse structure.
    """
    real, synthetic = (
        _log_rings(at_least_float32(tiles))
        for tiles in (outputs.tiles_NCHW.detach(), outputs.synthetic_NCHW)
    )
    return functional.l1_loss(synthetic, real)


def _log_rings(tiles_NCHW: torch.Tensor) -> torch.Tensor:
    """(N, C, R): logarithms of mean power in each ring, under a Hann window."""
    height, width = tiles_NCHW.shape[2:]
    window_HW, rings_RM = _window(height, width, tiles_NCHW.device, tiles_NCHW.dtype)
    centred = tiles_NCHW - tiles_NCHW.mean(dim=(2, 3), keepdim=True)
    power_NCHW = torch.fft.rfft2(centred * window_HW, norm="ortho").abs().square()
    rings = power_NCHW.flatten(2) @ rings_RM.T
    return (rings + _SMALLEST_POWER).log()


@cache
def _window(
    height: int, width: int, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """A window over pixels, and weights (R, M) that average frequencies ring by ring."""
    hann = [torch.hann_window(side, dtype=torch.float64) for side in (height, width)]
    frequencies = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    ring_M = (frequencies.flatten() / 0.5**0.5 * _RINGS).long().clamp(max=_RINGS - 1)
    rings_RM = functional.one_hot(ring_M, _RINGS).T.double()
    rings_RM /= rings_RM.sum(1, keepdim=True).clamp(min=1)
    return torch.outer(*hann).to(device, dtype), rings_RM.to(device, dtype)
