"""Energies by frequency of each tile, as an extractor: in parts, by ranks, kept in a cache."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import Identity
from histosyn.spectra.energies import DIMENSION, tile_energies
from histosyn.spectra.radial import EDGES
from histosyn.spectra.weave import PERIODS
from hpc.files import sha256_of_bytes

NAME = "spectrum"
# Of what is measured and how: another number wherever a change makes other energies.
_VERSION = 2
_DEFINITION = f"version {_VERSION}, bands {EDGES}, periods {PERIODS}"


class SpectrumExtractor:
    """Mean powers of optical density: 11 bands, then 3 for each of 5 periods (`histosyn.spectra`).

    An energy that a tile is too small for is 0. Computed in float64 on the CPU.
    """

    dimension = DIMENSION
    device = torch.device("cpu")
    identity = Identity(
        name=NAME,
        weights_sha256=sha256_of_bytes(_DEFINITION.encode()),
        preprocessing="mean optical density of red, green and blue, no resize, Hann window",
    )

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Energies (N, 26), float64."""
        return np.stack([tile_energies(tile_HWC) for tile_HWC in tiles_NHWC])
