from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histosyn.shards.augment import augmentation_key, random_crop, random_orientation


def numbered(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A tile whose red channel is its label map."""
    labels = np.arange(height * width).reshape(height, width) % 251
    tile = np.stack([labels, labels * 0, labels * 0], axis=2)
    return tile.astype(np.uint8), labels.astype(np.uint8)


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([None, 1, 5, 8]))
def test_tile_and_labels_move_together(key: int, crop: int | None) -> None:
    tile, labels = random_orientation(*numbered(8, 8), key=key)
    if crop:
        tile, labels = random_crop(tile, labels, key=key, crop=crop)
    assert np.array_equal(tile[..., 0], labels)
    assert labels.shape == ((crop or 8),) * 2


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_oblong_tile_keeps_its_shape(key: int) -> None:
    tile, labels = random_orientation(*numbered(4, 6), key=key)
    assert labels.shape == (4, 6)
    assert sorted(labels.ravel()) == sorted(numbered(4, 6)[1].ravel())
    assert tile.shape == (4, 6, 3)


def test_all_eight_orientations_are_equally_likely() -> None:
    seen: dict[bytes, int] = {}
    for sample in range(4000):
        key = augmentation_key(0, 0, f"sample-{sample}")
        labels = random_orientation(*numbered(3, 3), key=key)[1]
        seen[labels.tobytes()] = seen.get(labels.tobytes(), 0) + 1
    assert len(seen) == 8
    assert all(abs(count - 500) < 110 for count in seen.values())  # five standard deviations


def test_keyed_by_seed_epoch_and_sample() -> None:
    keys = {augmentation_key(0, 0, "a"), augmentation_key(1, 0, "a"),
            augmentation_key(0, 1, "a"), augmentation_key(0, 0, "b")}  # fmt: skip
    assert len(keys) == 4
