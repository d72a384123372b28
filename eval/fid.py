"""Fréchet distance between real and synthetic tiles, and all that belongs beside the number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from eval.features import Extractor
from eval.frechet import frechet_distance_from_features
from eval.images import TileFolder, TileShards, TileSource, open_tiles
from eval.moments import Moments
from eval.parts import merge_parts
from eval.population import Population, distance, measure, require_same_identity
from eval.result import Number, Result
from eval.statistics_file import SUFFIX, read_statistics, write_statistics
from hpc.errors import InputError
from hpc.randomness import key_of, permutation

FEWEST_TILES = 2048
_SPLITS = 5
_NO_INTERVAL = (
    "no interval: resampling tiles with replacement biases a Fréchet distance upward; the "
    "distances of the real_versus_real_floor show the noise"
)
Side = TileSource | Population
StoredSide = TileFolder | TileShards | Population


def open_side(path: Path, *, resize: int | None = None) -> StoredSide:
    """A folder of tiles or of shards, or a statistics file if `path` ends in .npz.

    Raises InputError if it is missing, empty or unreadable.
    """
    if path.suffix.lower() == SUFFIX:
        return read_statistics(path)
    return open_tiles(path, resize=resize)


def distance_between(
    real: Side,
    synthetic: Side,
    extractor: Extractor | None,
    *,
    seed: int = 0,
    batch_size: int = 32,
    save_statistics: Path | None = None,
    show_progress: bool = False,
) -> Result:
    """Measure the sides that are tiles and compare; `extractor` is None if neither is.

    With `save_statistics`, the sides measured are written to `real.npz` and `synthetic.npz` in this
    folder. Raises InputError if the sides do not fit together.
    """
    sides = {"real": real, "synthetic": synthetic}
    if extractor is not None:
        for side in sides.values():
            if isinstance(side, Population):
                require_same_identity(side, extractor.identity, "the extractor asked for")
    populations: dict[str, Population] = {}
    for role, side in sides.items():
        populations[role] = _population(
            side, extractor, batch_size, role if show_progress else None
        )
        if save_statistics is not None and not isinstance(side, Population):
            write_statistics(save_statistics / f"{role}{SUFFIX}", populations[role])
    result = compare(populations["real"], populations["synthetic"], seed=seed)
    if extractor is None:
        return result
    measured_with = {"batch_size": batch_size, "device": str(extractor.device)}
    return replace(result, settings=result.settings | measured_with)


def distance_of_parts(
    real: StoredSide,
    synthetic: StoredSide,
    folder: Path,
    *,
    seed: int = 0,
    save_statistics: Path | None = None,
) -> Result:
    """Compare the sides, those that are tiles as their parts in `folder` have measured them.

    Raises InputError if parts are missing or do not fit together.
    """
    populations: dict[str, Population] = {}
    settings: dict[str, Any] = {}
    for role, side in {"real": real, "synthetic": synthetic}.items():
        if isinstance(side, Population):
            populations[role] = side
            continue
        merged = merge_parts(side, role, folder)
        populations[role] = merged.population
        settings = {
            "batch_size": merged.batch_size,
            "device": merged.device,
            "parts": merged.part.count,
        }
        if save_statistics is not None:
            write_statistics(save_statistics / f"{role}{SUFFIX}", merged.population)
    result = compare(populations["real"], populations["synthetic"], seed=seed)
    return replace(result, settings=result.settings | settings)


def compare(real: Population, synthetic: Population, *, seed: int = 0) -> Result:
    """The distance between two populations with its floor, provenance and warnings."""
    identity = real.identity or synthetic.identity
    return Result(
        kind="fid",
        inputs={"real": _described(real), "synthetic": _described(synthetic)},
        settings={
            "extractor": identity.name if identity else None,
            "weights_sha256": identity.weights_sha256 if identity else None,
            "preprocessing": identity.preprocessing if identity else None,
            "seed": seed,
        },
        numbers=(_distance_number(real, synthetic), real_floor(real, seed=seed)),
        warnings=tuple(_warnings(real, synthetic)),
    )


def real_floor(real: Population, *, seed: int = 0) -> Number:
    """The distance between random halves of the real tiles: what a perfect generator would get.

    The median of five seeded splits. The estimate grows as tiles get fewer, so with half the tiles
    the floor lies above that of the whole set: it is a scale for the distance, not a bound.
    """
    name = "real_versus_real_floor"
    method = f"median of {_SPLITS} random splits of the real tiles into halves, Fréchet distance"
    features_ND, half = real.features_ND, (real.n or 0) // 2
    if features_ND is None or half < 2:
        return Number(name=name, value=None, n=half, method=method, reason=_no_floor_reason(real))
    distances = []
    for split in range(_SPLITS):
        order = permutation(key_of(seed, "real versus real", split), len(features_ND))
        one, other = features_ND[order[:half]], features_ND[order[half : 2 * half]]
        distances.append(frechet_distance_from_features(one, other))
    return Number(
        name=name,
        value=median(distances),
        n=half,
        method=method,
        details={
            "n_per_half": half,
            "distances": distances,
            "interval_note": "no interval: distances holds that of each split",
        },
    )


def _no_floor_reason(real: Population) -> str:
    if isinstance(real.summary, np.ndarray):
        return f"{real.n} real tiles are too few to split into halves of at least 2"
    if isinstance(real.summary, Moments):
        return f"the features of {real.n} real tiles were too many to keep and split"
    return f"{real.name} is a statistics file: there are no tiles to split"


def _population(
    side: Side, extractor: Extractor | None, batch_size: int, progress: str | None
) -> Population:
    if isinstance(side, Population):
        return side
    if extractor is None:
        raise InputError(f"{side.name} holds tiles: an extractor is needed to measure them.")
    return measure(side, extractor, batch_size=batch_size, progress=progress)


def _distance_number(real: Population, synthetic: Population) -> Number:
    known = [side.n for side in (real, synthetic) if side.n is not None]
    return Number(
        name="frechet_distance",
        value=distance(real, synthetic),
        n=min(known, default=0),
        method="squared Fréchet distance between Gaussians fitted to features, exact, float64",
        details={
            "n_real": real.n,
            "n_synthetic": synthetic.n,
            "interval_note": _NO_INTERVAL,
        },
    )


def _described(population: Population) -> dict[str, Any]:
    return {
        "name": population.name,
        "n": population.n,
        "tile_size": population.tile_size,
        "preparation": population.preparation,
        "content": asdict(population.content) if population.content else None,
    }


def _warnings(real: Population, synthetic: Population) -> Iterator[str]:
    identity = real.identity or synthetic.identity
    if identity is not None and identity.caveat is not None:
        yield identity.caveat
    for side in (real, synthetic):
        if side.identity is None:
            yield (
                f"{side.name} does not say which extractor made it, nor from how many tiles: that "
                "it fits the other side is taken on trust."
            )
    if any(side.n is not None and side.n < FEWEST_TILES for side in (real, synthetic)):
        yield (
            f"Fewer than {FEWEST_TILES} tiles on a side (real {real.n}, synthetic {synthetic.n}): "
            "the estimate is biased upward. Compare it only with values from as many tiles, and "
            "with the floor."
        )
    if real.tile_size and synthetic.tile_size and real.tile_size != synthetic.tile_size:
        (real_height, real_width), (height, width) = real.tile_size, synthetic.tile_size
        yield (
            f"Real tiles are {real_width}x{real_height} pixels, synthetic ones {width}x{height}: "
            "part of the distance is scale or sharpness, not tissue."
        )
