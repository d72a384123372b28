"""How often intervals of a distance of stain hold the truth, from simulated studies.

    python benchmarks/stain.py [STUDIES]

Ten tiles a patient, 60 % of the variance between patients; a distance in standard deviations.
"""

from __future__ import annotations

import sys

import numpy as np

from eval.statistics.differences import Values, distance_number

TILES = 10
BETWEEN = 0.6


def main(studies: int = 500) -> None:
    print(f"{'patients':>8} {'distance':>9} {'measured':>9} {'held':>6} {'width':>6}")
    for patients in (10, 20, 40):
        for shift in (0.0, 0.25, 0.5, 1.0, 2.0):
            found = [_study(patients, shift, seed) for seed in range(studies)]
            value, held, width = np.array(found).mean(axis=0)
            print(f"{patients:>8} {shift:>9} {value:>9.2f} {held:>6.1%} {width:>6.2f}")


def _study(patients: int, shift: float, seed: int) -> tuple[float, float, float]:
    random = np.random.default_rng((seed, patients, int(100 * shift)))
    sides = _side(random, 0.0, patients, "a"), _side(random, shift, patients, "b")
    number = distance_number("distance", *sides, "benchmark", seed=seed)
    assert number.value is not None and number.interval is not None
    low, high = number.interval
    return number.value, float(low <= shift <= high), high - low


def _side(random: np.random.Generator, shift: float, patients: int, name: str) -> Values:
    own = (1 - BETWEEN) ** 0.5 * random.normal(size=(patients, TILES))
    values = shift + BETWEEN**0.5 * random.normal(size=(patients, 1)) + own
    groups = [f"{name}{patient}" for patient in range(patients) for _ in range(TILES)]
    return Values(values_N=values.ravel(), groups=groups)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
