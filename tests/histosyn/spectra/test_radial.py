"""Energy by frequency."""

import numpy as np
import pytest

from histosyn.spectra.density import optical_density, power
from histosyn.spectra.radial import BANDS, SMALLEST_TILE, band_name, radial_spectrum


def wave(period, side=64, amplitude=1.0, axis=0):
    along = amplitude * np.cos(2 * np.pi * np.arange(side) / period)
    return np.broadcast_to(along[:, None] if axis == 0 else along, (side, side))


def test_white_noise_has_its_variance_in_every_band():
    random = np.random.default_rng(0)
    noise = 0.3 * random.normal(size=(40, 64, 64))
    spectrum = np.mean([radial_spectrum(each) for each in noise], axis=0)
    assert spectrum == pytest.approx(0.09, rel=0.1)


@pytest.mark.parametrize(("period", "band"), [(2, 9), (2.35, 8), (4.5, 4), (12, 1), (32, 0)])
def test_a_wave_lies_in_its_band(period, band):
    for axis in (0, 1):
        spectrum = radial_spectrum(wave(period, side=128, axis=axis))
        assert spectrum.argmax() == band
        assert BANDS[band][0] < 1 / period <= BANDS[band][1]


def test_only_oblique_waves_reach_the_corner():
    corner = wave(2.2) * wave(2.2, axis=1)
    assert radial_spectrum(corner).argmax() == len(BANDS) - 1
    assert radial_spectrum(wave(2)).argmax() < len(BANDS) - 1


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (64, 200)])
def test_every_band_has_frequencies_from_the_smallest_tile_on(shape):
    spectrum = radial_spectrum(np.random.default_rng(1).normal(size=shape))
    assert min(shape) >= SMALLEST_TILE
    assert (spectrum > 0).all()


def test_the_mean_is_no_energy_and_a_flat_tile_has_none():
    assert power(np.full((32, 48), 3.0)) == pytest.approx(0, abs=1e-20)
    noise = np.random.default_rng(2).normal(size=(32, 32))
    assert radial_spectrum(noise + 5) == pytest.approx(radial_spectrum(noise))


def test_density_of_white_is_zero_and_stains_add_up():
    tile = np.array([[[255, 255, 255], [127, 127, 127], [63, 63, 63], [0, 0, 0]]], np.uint8)
    density = optical_density(tile)[0]
    assert density[0] == 0
    assert density[2] == pytest.approx(2 * density[1])
    assert density[3] == pytest.approx(np.log(256))


def test_bands_are_named_by_their_ends():
    assert band_name(BANDS[1]) == "0.05-0.10"
    assert band_name(BANDS[-1]) == "0.50-0.71"
