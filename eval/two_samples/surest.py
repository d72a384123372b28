"""The tiles that somebody was surest of, rightly and wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHOWN_TILES = 4


def surest_tiles(
    scores_N: NDArray[np.floating], synthetic_N: NDArray[np.bool_], names: Sequence[str]
) -> dict[str, list[str]]:
    """Names of the tiles at the ends: each side's, from the surest on."""
    order = np.argsort(scores_N, kind="stable")
    synthetic = [row for row in order if synthetic_N[row]]
    real = [row for row in order if not synthetic_N[row]]
    found = {
        "synthetic, surely so": synthetic[::-1],
        "synthetic, taken for real": synthetic,
        "real, taken for synthetic": real[::-1],
        "real, surely so": real,
    }
    return {title: [names[row] for row in rows[:SHOWN_TILES]] for title, rows in found.items()}
