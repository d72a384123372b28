"""Synthetic over real: energy in bands of frequency, and the weave index, with intervals.

They are those of the logarithm, by the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from eval.statistics.interval import ALIKE
from eval.statistics.result import Number
from histosyn.spectra.density import Floats
from histosyn.spectra.energies import EXPONENTS, NAMES, SPECTRUM_NAMES, ratios
from histosyn.spectra.radial import SMALLEST_TILE

LEVEL = 0.95
_BAND_METHOD = (
    "mean power of optical density in a band of frequency (cycles a pixel), Hann window, synthetic "
    "over real"
)
_WEAVE_METHOD = (
    "power along the axes at this period (pixels) over the geometric mean of its neighbours in "
    "frequency, in the evenest quarter of each tile's windows, synthetic over real"
)
METHODS = {name: _BAND_METHOD if name in SPECTRUM_NAMES else _WEAVE_METHOD for name in NAMES}
_INTERVAL = "delta method of the logarithm over the tiles of both sides, normal quantile"
# Narrower intervals of a logarithm are the rounding of a width of zero.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Energies:
    """Mean energies of the `n` tiles of a side, and their covariance over tiles; None for one."""

    name: str
    n: int
    mean_D: Floats
    covariance_DD: Floats | None


def spectrum_numbers(real: Energies, synthetic: Energies) -> list[Number]:
    """Every band, then every period, with an interval; undefined where a side has no energy."""
    values = ratios(real.mean_D, synthetic.mean_D)
    variances = np.zeros(len(NAMES))
    for side in (real, synthetic):
        variances += _log_variances(side)
    numbers = []
    for name, value, variance in zip(NAMES, values, variances, strict=True):
        defined, reach = np.isfinite(value), _reach(variance)
        interval = None
        if defined and reach is not None:
            interval = float(value * np.exp(-reach)), float(value * np.exp(reach))
        numbers.append(
            Number(
                name=name,
                value=float(value) if defined else None,
                n=min(real.n, synthetic.n),
                method=METHODS[name],
                interval=interval,
                interval_level=LEVEL if interval else None,
                interval_method=_INTERVAL if interval else None,
                reason=None if defined else _reason(name, real, synthetic),
                details={"interval_note": None if interval else ALIKE},
            )
        )
    return numbers


def _log_variances(side: Energies) -> Floats:
    """Variance (16,) of the logarithms of one side's numbers; NaN from a single tile."""
    if side.covariance_DD is None:
        return np.full(len(NAMES), np.nan)
    gradients = EXPONENTS / np.where(side.mean_D > 0, side.mean_D, 1)
    found: Floats = np.einsum("rd,de,re->r", gradients, side.covariance_DD, gradients) / side.n
    return found


def _reach(variance: float) -> float | None:
    """Half the width of a logarithm's interval; None without one."""
    if not np.isfinite(variance) or variance <= _ROUNDING**2:
        return None
    return float(NormalDist().inv_cdf((1 + LEVEL) / 2) * np.sqrt(variance))


def _reason(name: str, real: Energies, synthetic: Energies) -> str:
    row = EXPONENTS[NAMES.index(name)] != 0
    without = [side.name for side in (real, synthetic) if (side.mean_D[row] <= 0).any()]
    return (
        f"{' and '.join(without)}: no energy at this frequency, because tiles are flat or too "
        f"small (bands need {SMALLEST_TILE} pixels, a weave four of its periods)"
    )
