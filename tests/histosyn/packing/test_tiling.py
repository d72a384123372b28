from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.images.resampling import resample
from histosyn.packing.tiling import grid_windows
from hpc.errors import DatasetError


@given(st.integers(1, 40), st.data())
def test_the_grid_is_as_large_as_fits_and_centred(size: int, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(size, 120)), data.draw(st.integers(size, 120))
    overlap = data.draw(st.integers(0, size - 1))
    stride = size - overlap
    windows = list(grid_windows((height, width), size, "x", overlap))
    for axis, length in enumerate((height, width)):
        starts = sorted({window.area[axis].start for window in windows})
        assert {b - a for a, b in pairwise(starts)} <= {stride}
        before, after = starts[0], length - (starts[-1] + size)
        assert before >= 0
        assert after - before in (0, 1)
        assert before + after < stride
        across = {window.area[1 - axis].start for window in windows}
        assert len(across) * len(starts) == len(windows)
    places = [(window.row, window.column) for window in windows]
    assert places == sorted(places)
    assert all(part.stop - part.start == size for window in windows for part in window.area)


def test_neighbours_share_the_overlap() -> None:
    image = np.arange(100)[None].repeat(40, 0)
    crops = [image[window.area] for window in grid_windows(image.shape, 40, "x", overlap=10)]
    assert len(crops) == 3
    assert np.array_equal(crops[0][:, -10:], crops[1][:, :10])


def test_too_small_is_named() -> None:
    with pytest.raises(DatasetError, match="slide is 64x63 pixels, too small for tiles of 64"):
        list(grid_windows((63, 64), 64, "slide"))


def test_resampling_averages_tiles_and_picks_labels() -> None:
    """A pattern finer than the new pixels becomes gray, not a coarser pattern."""
    board = (np.indices((64, 96)).sum(0) % 2).astype(np.uint8)
    tile = np.repeat(board[..., None] * 255, 3, axis=2)
    small, labels = resample(tile, board * 3, 0.5)
    assert small.shape == (32, 48, 3)
    assert np.abs(small[4:-4, 4:-4].astype(int) - 127).max() <= 2
    assert labels.shape == (32, 48)
    assert set(np.unique(labels)) <= {0, 3}
    assert resample(tile, board, 1.0)[0] is tile


def test_tiles_and_labels_stay_in_register() -> None:
    tile = np.zeros((40, 60, 3), np.uint8)
    tile[:, 30:] = 255
    small, labels = resample(tile, (tile[..., 0] > 0).astype(np.uint8), 0.3)
    assert np.array_equal(small[..., 0] > 127, labels == 1)
