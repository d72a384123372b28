"""Synthetic over real, with intervals."""

import numpy as np
import pytest

from eval.spectra.ratios import Energies, spectrum_numbers
from histosyn.spectra.energies import NAMES, tile_energies


def energies(name, tiles):
    found = np.stack([tile_energies(tile) for tile in tiles])
    covariance = np.cov(found.T) if len(tiles) > 1 else None
    return Energies(name=name, n=len(tiles), mean_D=found.mean(axis=0), covariance_DD=covariance)


def tiles(seed, count=24, spread=20.0, size=128, weave=0.0, period=8):
    random = np.random.default_rng(seed)
    gray = 150 + spread * random.normal(size=(count, size, size, 1)).repeat(3, axis=3)
    along = weave * np.cos(2 * np.pi * np.arange(size) / period)
    return np.clip(gray + (along[:, None] + along)[..., None], 0, 255).astype(np.uint8)


def by_name(real, synthetic):
    numbers = spectrum_numbers(energies("real", real), energies("synthetic", synthetic))
    assert [number.name for number in numbers] == list(NAMES)
    return {number.name: number for number in numbers}


def test_alike_is_one_within_the_interval():
    for number in by_name(tiles(0), tiles(1)).values():
        low, high = number.interval
        assert low < number.value < high
        assert 0.5 < number.value < 2
    inside = sum(n.interval[0] < 1 < n.interval[1] for n in by_name(tiles(0), tiles(1)).values())
    assert inside >= len(NAMES) - 3


def test_less_noise_is_less_energy_in_every_band_and_no_weave():
    numbers = by_name(tiles(0, spread=20), tiles(1, spread=10))
    for name, number in numbers.items():
        expected = 0.25 if name.startswith("spectrum") else 1
        assert number.value == pytest.approx(expected, rel=0.5 if expected == 1 else 0.15)


@pytest.mark.parametrize("period", [2, 8])
def test_a_weave_is_seen_at_its_period(period):
    numbers = by_name(tiles(0), tiles(1, weave=10, period=period))
    woven = numbers.pop(f"weave_{period}")
    assert woven.interval[0] > 10
    others = [number.value for name, number in numbers.items() if name.startswith("weave")]
    assert max(others) < 3


def test_a_flat_side_is_named():
    number = by_name(tiles(0), np.full((4, 128, 128, 3), 255, np.uint8))["weave_8"]
    assert number.value is None
    assert number.reason.startswith("synthetic: no energy")
    small = by_name(tiles(0, size=64), tiles(1, size=64))
    assert small["weave_32"].value is None
    assert small["weave_32"].reason.startswith("real and synthetic:")
    assert small["weave_16"].value is not None


def test_a_single_tile_has_values_and_no_interval():
    for number in by_name(tiles(0, count=1), tiles(1, count=3)).values():
        assert number.interval is None
        assert number.value > 0


def test_intervals_cover_the_truth():
    """The bands of noise whose ratio is 1, in 40 studies."""
    hits = [
        number.interval[0] < 1 < number.interval[1]
        for seed in range(40)
        for number in by_name(
            tiles(2 * seed, count=12, size=32), tiles(2 * seed + 1, count=12, size=32)
        ).values()
        if number.name.startswith("spectrum")
    ]
    assert 0.85 < np.mean(hits) <= 1
