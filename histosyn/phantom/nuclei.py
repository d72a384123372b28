"""Nuclei of procedural tissue: those of the stroma, which ones have room, and how they look."""

from __future__ import annotations

import numpy as np

from histosyn.phantom.fields import (
    Ellipses,
    coverage,
    jittered_grid,
    smooth_noise,
    stamp,
    value_at,
)
from histosyn.phantom.tissue_kinds import TissueKind


def stromal_nuclei(
    rng: np.random.Generator, tissue_kind: TissueKind, direction: np.ndarray, size: int
) -> tuple[Ellipses, Ellipses]:
    """Spindle-shaped nuclei along the fibres, and round ones in crowds."""
    x, y = jittered_grid(rng, size, 8.5, 8.0)
    spindles = Ellipses(
        x=x,
        y=y,
        length=rng.uniform(3.2, 6.5, len(x)),
        width=rng.uniform(1.15, 1.9, len(x)),
        angle=value_at(direction, x, y) + rng.normal(0, 0.14, len(x)),
    )
    spindles = spindles.where(rng.random(len(x)) < rng.uniform(*tissue_kind.cellularity))
    x, y = jittered_grid(rng, size, 6.2, 8.0)
    crowd = smooth_noise(rng, size, 26) - 1.3 + 1.3 * rng.uniform(*tissue_kind.inflammation)
    inflammatory = round_cells(rng, x, y, 2.45, 0.1)
    present = rng.random(len(x)) < np.clip(0.04 + 0.9 * value_at(crowd, x, y), 0.02, 0.8)
    return spindles, inflammatory.where(present)


def round_cells(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, radius: float, spread: float
) -> Ellipses:
    """Cells about as long as wide; `spread` is the standard deviation of log radius."""
    length, width = radius * rng.lognormal(0, spread, (2, len(x)))
    return Ellipses(x=x, y=y, length=length, width=width, angle=rng.uniform(0, np.pi, len(x)))


def standing_in(nuclei: Ellipses, inside: np.ndarray, white: np.ndarray) -> Ellipses:
    """The nuclei whose centre lies where `inside` is positive and there is tissue."""
    keep = (value_at(inside, nuclei.x, nuclei.y) > 0) & (value_at(white, nuclei.x, nuclei.y) < 0.5)
    return nuclei.where(keep)


def draw_nuclei(
    rng: np.random.Generator, nuclei: Ellipses, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of nuclei and their chromatin: dark rims, some with a pale, open centre."""
    marks = stamp(nuclei, size, 0.35 * smooth_noise(rng, size, 2.5))
    # Small nuclei are dense, large ones open.
    openness = np.clip((nuclei.width - 1.9) / 1.2, 0, 0.5) * rng.uniform(0.2, 1.3, len(nuclei))
    strength = rng.lognormal(0, 0.14, len(nuclei)) * (1.15 - 0.3 * np.clip(openness, 0, 1))
    heart = np.clip(marks.depth / 1.8, 0, 1)
    cover = coverage(marks.depth)
    density = cover * strength[marks.owner] * (1.0 - openness[marks.owner] * heart)
    return marks.highest(cover), marks.highest(density)
