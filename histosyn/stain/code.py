"""The stain code: seven numbers that say how a tile was stained and scanned.

    hematoxylin, eosin, residual         mean optical density over tissue
    hematoxylin_spread, ...              its standard deviation over tissue
    glass                                mean optical density of what is not tissue

Densities are natural logarithms, -ln((value + 1) / 256). Tissue is what absorbs: whose density, the
mean of red, green and blue, exceeds a threshold. So the code needs no label map, and glass between
the parts of a tissue does not change it.

Legend: N batch, H W pixels, S the numbers of a code.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from histosyn.stain.vectors import unmixing

# Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009,
# take 0.15 of decadic density in each channel; this is about as much, in natural units, on average.
TISSUE_DENSITY = 0.20
# Of fewer pixels no mean is taken.
_LEAST_PIXELS = 64
# Below a millionth of a variance the root has no useful gradient.
_LEAST_VARIANCE = 1e-6


def stain_code(tiles_N3HW: torch.Tensor) -> torch.Tensor:
    """Codes (N, S) of tiles in [-1, 1], at least float32; NaN where a tile has too few pixels.

    Differentiable in the tiles; which pixels are tissue is taken as given.
    """
    tiles = tiles_N3HW.float() if tiles_N3HW.itemsize < 4 else tiles_N3HW
    density_N3M = -torch.log(((tiles.flatten(2) + 1) * 127.5 + 1).clamp(1, 256) / 256)
    tissue_N1M = (density_N3M.detach().mean(1, keepdim=True) > TISSUE_DENSITY).to(tiles)
    matrix = _unmixing_on(tiles.device, tiles.dtype)
    stains_N3M = torch.einsum("ncm,cs->nsm", density_N3M, matrix)
    mean_N3 = _mean(stains_N3M, tissue_N1M)
    variance_N3 = _mean((stains_N3M - mean_N3[..., None]).square(), tissue_N1M)
    glass_N1 = _mean(density_N3M.mean(1, keepdim=True), 1 - tissue_N1M)
    code_NS = torch.cat([mean_N3, (variance_N3 + _LEAST_VARIANCE).sqrt(), glass_N1], dim=1)
    # Only now, so that no gradient passes through what is not a number.
    pixels_N1 = tissue_N1M.sum(2)
    counts_NS = torch.cat([pixels_N1.expand(-1, 6), density_N3M.shape[2] - pixels_N1], dim=1)
    return code_NS.masked_fill(counts_NS < _LEAST_PIXELS, torch.nan)


def as_floats(tile_HWC: NDArray[np.uint8]) -> torch.Tensor:
    """A tile as it is read, as a batch of one (1, 3, H, W) in [-1, 1], float32."""
    return torch.from_numpy(tile_HWC).permute(2, 0, 1)[None].float() / 127.5 - 1


@cache
def _unmixing_on(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Sent once: a device would have to be waited for each time."""
    with torch.inference_mode(False):
        return torch.from_numpy(unmixing()).to(device, dtype)


def _mean(values_NCM: torch.Tensor, weights_N1M: torch.Tensor) -> torch.Tensor:
    return (values_NCM * weights_N1M).sum(2) / weights_N1M.sum(2).clamp(min=1)
