"""Fréchet distance: ours against pytorch-fid's, on the same numbers, side by side in one run.

    python benchmarks/frechet.py --dimension 2048 --repeats 3

Two cases: mean and covariance of full rank (twice as many images as dimensions), and the features
of few images (a quarter as many as dimensions), from which pytorch-fid must form covariances first.
The two take turns; the ratio is the median of the ratios within the turns. Values differ where the
matrix square root of a singular product loses digits.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from eval.distances.frechet import frechet_distance, frechet_distance_from_features
from eval.distances.moments import Moments
from eval.extractors.torchvision_import import import_pytorch_fid


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    ours: Callable[[], float]
    theirs: Callable[[], float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--dimension", type=int, default=2048)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    for case in (full_rank_case(given.dimension), few_images_case(given.dimension)):
        table = Table("case", "", "ours", "pytorch-fid", "ratio")
        for row in measured(case, given.repeats):
            table.add_row(case.name, *row)
        Console(width=110).print(table)


def full_rank_case(dimension: int) -> Case:
    real, synthetic = (Moments.of(features(2 * dimension, dimension, seed)) for seed in (0, 1))
    statistics = [part for one in (real, synthetic) for part in (one.mean_D, one.covariance_DD)]
    return Case(
        name=f"statistics, D {dimension}, full rank",
        ours=lambda: frechet_distance(real, synthetic),
        theirs=lambda: distance_of_pytorch_fid(*statistics),
    )


def few_images_case(dimension: int) -> Case:
    n = dimension // 4
    x_ND, y_ND = features(n, dimension, 0), features(n, dimension, 1)
    return Case(
        name=f"features, D {dimension}, N {n}",
        ours=lambda: frechet_distance_from_features(x_ND, y_ND),
        theirs=lambda: distance_of_pytorch_fid(
            *(part for f in (x_ND, y_ND) for part in (f.mean(axis=0), np.cov(f, rowvar=False)))
        ),
    )


def features(n: int, dimension: int, seed: int) -> np.ndarray:
    """Correlated, non-negative, with a decaying spectrum, as Inception's are."""
    scales = np.exp(-4 * np.arange(dimension) / dimension)
    mixing = np.random.default_rng(7).normal(size=(dimension, dimension)) / np.sqrt(dimension)
    normal = np.random.default_rng(seed).normal(size=(n, dimension))
    return np.maximum((normal * scales) @ mixing + 0.1 * seed, 0)


def distance_of_pytorch_fid(*statistics: np.ndarray) -> float:
    import_pytorch_fid()  # Importable only after this where torchvision does not fit torch.
    from pytorch_fid.fid_score import calculate_frechet_distance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return float(calculate_frechet_distance(*statistics))


def measured(case: Case, repeats: int) -> list[list[str]]:
    case.ours(), distance_of_pytorch_fid(np.zeros(2), np.eye(2), np.ones(2), np.eye(2))
    turns = [(timed(case.ours), timed(case.theirs)) for _ in range(repeats)]
    rows = []
    for number, what in enumerate(("seconds", "processor seconds")):
        of_each = [median(turn[side][number] for turn in turns) for side in (0, 1)]
        ratio = median(theirs[number] / ours[number] for ours, theirs in turns)
        rows.append([what, *(f"{seconds:.2f}" for seconds in of_each), f"{ratio:.1f}"])
    ours, theirs = (side[2] for side in turns[-1])
    return [*rows, ["value", f"{ours:.12g}", f"{theirs:.12g}", f"1 - {1 - theirs / ours:.1e}"]]


def timed(function: Callable[[], float]) -> tuple[float, float, float]:
    """Seconds, processor seconds of all threads, and what it gives."""
    start, processor_start = time.perf_counter(), time.process_time()
    value = function()
    return time.perf_counter() - start, time.process_time() - processor_start, value


if __name__ == "__main__":
    main()
