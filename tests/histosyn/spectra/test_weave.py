"""Planted weaves of known period and amplitude."""

import numpy as np
import pytest

from histosyn.spectra.density import optical_density
from histosyn.spectra.weave import PERIODS, weave_contrast, weave_energy, window_side

SIDE, NOISE = 128, 0.1


def noise(number, shape=(SIDE, SIDE)):
    return NOISE * np.random.default_rng(number).normal(size=shape)


def weave(period, amplitude, shape=(SIDE, SIDE), axes=(0, 1)):
    """A wave along each of the axes, that begins anywhere."""
    planted = np.zeros(shape)
    for axis in axes:
        along = amplitude * np.cos(2 * np.pi * (np.arange(shape[axis])) / period)
        planted += along[:, None] if axis == 0 else along
    return planted


def contrast(densities, period):
    return weave_contrast(np.mean([weave_energy(each, period) for each in densities], axis=0))


@pytest.mark.parametrize("period", PERIODS)
def test_white_noise_has_contrast_one(period):
    assert contrast([noise(number) for number in range(120)], period) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_a_planted_weave_has_the_contrast_that_theory_gives(period, ratio):
    """A wave of amplitude a adds a² w² / 9 to noise of variance s², four times that at period 2."""
    w = window_side(period, SIDE)
    planted = weave(period, ratio * NOISE)
    expected = 1 + ratio**2 * w**2 / 9 * (4 if period == 2 else 1)
    measured = contrast([noise(number) + planted for number in range(60)], period)
    assert measured == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("period", PERIODS)
def test_other_periods_do_not_see_it(period):
    planted = [noise(number) + weave(period, NOISE) for number in range(60)]
    for other in PERIODS:
        if other != period:
            assert contrast(planted, other) < 1.6


def test_one_axis_is_half_of_two():
    both, one = (
        contrast([noise(n) + weave(8, NOISE, axes=axes) for n in range(60)], 8)
        for axes in ((0, 1), (1,))
    )
    assert one - 1 == pytest.approx((both - 1) / 2, rel=0.2)


def test_a_weave_is_seen_in_the_even_quarter_of_a_tile_that_is_busy_elsewhere():
    busy = noise(0, (256, 256)) * 20
    busy[:160, :160] = noise(1, (160, 160))
    seen = weave_contrast(weave_energy(busy + weave(4, NOISE, (256, 256)), 4))
    assert seen > 50


def test_a_flat_tile_has_no_contrast_and_a_woven_flat_one_no_end_of_it():
    white = optical_density(np.full((SIDE, SIDE, 3), 255, np.uint8))
    assert np.isnan(weave_contrast(weave_energy(white, 8)))
    at, slower, faster = weave_energy(white + weave(8, 0.01), 8)
    assert at > 1e6 * max(slower, faster)


def test_power_laws_are_no_weave():
    """Tissue has more energy at slow waves; the neighbours' geometric mean accounts for most."""
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(SIDE),) * 2))
    radius[0, 0] = 1
    clouds = [np.fft.ifft2(np.fft.fft2(noise(number)) / radius**1.2).real for number in range(150)]
    for period in PERIODS:
        assert 0.5 < contrast(clouds, period) < 1.3


@pytest.mark.parametrize(("period", "shortest", "side"), [
    (2, 32, 32), (2, 500, 32), (4, 31, None), (8, 32, 32), (8, 64, 64), (16, 64, 64),
    (16, 63, None), (32, 128, 128), (32, 512, 128), (32, 127, None),
])  # fmt: skip
def test_windows_hold_enough_waves(period, shortest, side):
    assert window_side(period, shortest) == side
    if side is None:
        assert np.isnan(weave_energy(np.zeros((shortest, 600)), period)).all()
