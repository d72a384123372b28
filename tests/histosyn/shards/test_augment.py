from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histosyn.shards.augment import (
    augmentation_key,
    random_crop,
    random_orientation,
    stain_jitter,
)

KEYS = st.integers(-(2**63), 2**63 - 1)
STRENGTHS = st.floats(0, 0.999)


def numbered(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A tile whose red channel is its label map."""
    labels = np.arange(height * width).reshape(height, width) % 251
    tile = np.stack([labels, labels * 0, labels * 0], axis=2)
    return tile.astype(np.uint8), labels.astype(np.uint8)


@given(KEYS, st.sampled_from([None, 1, 5, 8]))
def test_tile_and_labels_move_together(key: int, crop: int | None) -> None:
    tile, labels = random_orientation(*numbered(8, 8), key=key)
    if crop:
        tile, labels = random_crop(tile, labels, key=key, crop=crop)
    assert np.array_equal(tile[..., 0], labels)
    assert labels.shape == ((crop or 8),) * 2


@given(KEYS)
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


def every_color() -> np.ndarray:
    """uint8 (64, 125, 3): colours from black to white and every value of each channel."""
    values = np.linspace(0, 255, 20).round()
    grid = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(64, 125, 3)
    grid.reshape(-1, 3)[:256] = np.arange(256)[:, None]
    return grid.astype(np.uint8)


def change(tile: np.ndarray, *, key: int, strength: float) -> np.ndarray:
    return abs(stain_jitter(tile, key=key, strength=strength).astype(int) - tile)


@given(KEYS)
def test_no_strength_changes_no_bit(key: int) -> None:
    jittered = stain_jitter(every_color(), key=key, strength=0.0)
    assert jittered.dtype == np.uint8
    assert np.array_equal(jittered, every_color())


@given(KEYS, STRENGTHS)
def test_stain_jitter_keeps_shape_and_type_and_its_input(key: int, strength: float) -> None:
    tile = every_color()
    jittered = stain_jitter(tile, key=key, strength=strength)
    assert jittered.shape == tile.shape
    assert jittered.dtype == np.uint8
    assert np.array_equal(tile, every_color())


@given(KEYS, STRENGTHS, st.integers(0, 60), st.integers(0, 120))
def test_stain_jitter_of_a_pixel_depends_on_key_and_color_alone(
    key: int, strength: float, row: int, column: int
) -> None:
    tile = every_color()
    window = slice(row, row + 3), slice(column, None, 2)
    assert np.array_equal(
        stain_jitter(tile, key=key, strength=strength)[window],
        stain_jitter(tile[window], key=key, strength=strength),
    )


@given(KEYS, STRENGTHS)
def test_white_stays_white(key: int, strength: float) -> None:
    white = np.full((1, 1, 3), 255, np.uint8)
    assert change(white, key=key, strength=strength).max() == 0


@given(KEYS, st.floats(0, 0.3))
def test_glass_is_hardly_tinted(key: int, strength: float) -> None:
    glass = np.arange(240, 256, dtype=np.uint8)[:, None, None].repeat(3, axis=2)
    # Half a step is the rounding.
    assert change(glass, key=key, strength=strength).max() <= 65 * strength + 0.5


@given(KEYS)
def test_more_strength_changes_more(key: int) -> None:
    changes = [
        change(every_color(), key=key, strength=strength).mean()
        for strength in (0.0, 0.1, 0.2, 0.4)
    ]
    assert changes == sorted(changes)
    assert changes[0] < changes[1] < changes[3]


def stained(haematoxylin: float, eosin: float) -> np.ndarray:
    """One pixel with concentrations of the two stains, mixed by the vectors of the paper."""
    density = haematoxylin * np.array([0.650, 0.704, 0.286])
    density += eosin * np.array([0.072, 0.990, 0.105])
    return np.rint(256 * np.exp(-density) - 1).astype(np.uint8)[None, None]


@given(KEYS)
def test_pure_tissue_stays_a_mixture_of_both_stains(key: int) -> None:
    jittered = stain_jitter(stained(0.8, 0.6), key=key, strength=0.2)[0, 0]
    density = -np.log((jittered + 1.0) / 256)
    normal = np.cross([0.650, 0.704, 0.286], [0.072, 0.990, 0.105])
    assert abs(density @ normal) < 0.006  # what half a step of each value makes
    mixed = np.linalg.lstsq(
        np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]]).T, density, rcond=None
    )[0]
    # α·c + β·(both), with α - 1 and β within the strength, and the rounding of the values.
    assert abs(mixed[0] - 0.8) <= 0.2 * (0.8 + 1.4) + 0.02
    assert abs(mixed[1] - 0.6) <= 0.2 * (0.6 + 1.4) + 0.02


def test_stains_vary_independently_and_around_the_tile_itself() -> None:
    jittered = np.array([
        stain_jitter(stained(0.8, 0.6), key=key, strength=0.1)[0, 0] for key in range(2000)
    ]).astype(float)  # fmt: skip
    densities = -np.log((jittered + 1) / 256)
    stains = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
    concentrations = np.linalg.lstsq(stains.T, densities.T, rcond=None)[0]
    assert np.allclose(concentrations.mean(axis=1), [0.8, 0.6], atol=0.02)
    assert abs(np.corrcoef(concentrations)[0, 1]) < 0.15


def test_the_same_key_gives_the_same_stain_for_ever() -> None:
    tile = np.array([[[90, 60, 140], [200, 120, 190], [240, 238, 241]]], np.uint8)
    assert stain_jitter(tile, key=20, strength=0.2).tolist() == [
        [[91, 73, 143], [195, 132, 190], [241, 240, 241]]
    ]
