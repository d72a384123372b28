"""The grid is found wherever it begins, and only where there is one."""

import io

import numpy as np
import pytest
from PIL import Image

from eval.file_history.jpeg_grid import THRESHOLD, grid_trace

LUMA = np.array([0.299, 0.587, 0.114])


def tissue_like(seed=0, size=131):
    """Noise whose energy falls with frequency, as that of tissue does."""
    random = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    waves = np.fft.fft2(random.normal(size=(3, size, size))) / np.maximum(radius, 1 / size)
    tile = np.fft.ifft2(waves).real.transpose(1, 2, 0)
    return np.clip(170 + 25 * tile / tile.std(), 0, 255).astype(np.uint8)


def as_jpeg(tile, quality):
    data = io.BytesIO()
    Image.fromarray(tile).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


@pytest.mark.parametrize("quality", [60, 80, 95, 98])
@pytest.mark.parametrize("cut", [(0, 0), (3, 5)])
def test_jpeg_is_seen_at_any_quality_and_place(quality, cut):
    tile = as_jpeg(tissue_like(), quality)[cut[0] :, cut[1] :][:120, :120]
    assert grid_trace(tile @ LUMA) > THRESHOLD


def test_what_never_was_a_jpeg_or_was_made_smaller_since_has_no_grid():
    for seed in range(5):
        assert grid_trace(tissue_like(seed) @ LUMA) < THRESHOLD / 2
        small = Image.fromarray(as_jpeg(tissue_like(seed, 257), 80)).resize((128, 128), 3)
        assert grid_trace(np.asarray(small) @ LUMA) < THRESHOLD


def test_what_is_measured_is_the_cosine_transform():
    from scipy.fft import dctn

    from eval.file_history.jpeg_grid import _sliding, _wave

    luma = tissue_like(2, 64) @ LUMA
    expected = dctn(luma[3:11, 5:13], norm="ortho")[6, 4]
    ours = _sliding(_sliding(luma, _wave(6), axis=0), _wave(4), axis=1)[3, 5]
    assert ours == pytest.approx(expected)


def test_a_flat_tile_has_no_grid_and_a_small_one_cannot_tell():
    assert grid_trace(np.full((64, 64), 200.0)) == 0
    assert np.isnan(grid_trace(np.zeros((47, 300))))
