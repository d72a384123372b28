"""Tiles that can be read and are useless all the same: ink, no tissue, out of focus."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from tissue import SHARED

from histosyn.doctor.tile_artifacts import (
    ink_share,
    is_blank,
    marked_by_ink,
    out_of_focus,
    sharpness_of,
)
from histosyn.phantom import render_phantom

INKS = {"green": (20, 130, 70), "blue": (20, 70, 170), "teal": (15, 110, 140),
        "black": (30, 28, 34), "yellow": (235, 210, 60)}  # fmt: skip


@pytest.fixture(scope="module")
def tissue() -> list[np.ndarray]:
    return [render_phantom(seed=0, index=index, size=128)[0] for index in range(8)]


def blurred(tile: np.ndarray, sigma: float, noise: float) -> np.ndarray:
    smooth = ndimage.gaussian_filter(tile.astype(float), (sigma, sigma, 0))
    grain = np.random.default_rng(0).normal(0, noise, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def test_tissue_has_no_ink_and_is_neither_blank_nor_out_of_focus(tissue: list[np.ndarray]) -> None:
    assert all(ink_share(tile) == pytest.approx(0, abs=0.001) for tile in tissue)
    assert not any(map(is_blank, tissue))
    assert out_of_focus({str(i): sharpness_of(tile) for i, tile in enumerate(tissue)}) == {}


@pytest.mark.parametrize("color", INKS.values(), ids=INKS)
def test_a_stroke_of_a_pen_is_found(tissue: list[np.ndarray], color: tuple[int, ...]) -> None:
    tile = tissue[0].copy()
    tile[20:40] = color + np.random.default_rng(0).normal(0, 3, (20, 128, 3)).astype(int)
    shares = {str(i): ink_share(other) for i, other in enumerate([tile, *tissue[1:]])}
    assert marked_by_ink(shares) == {"0": pytest.approx(20 / 128, abs=0.02)}


def test_what_all_tiles_have_is_the_stain_unless_it_is_most_of_them() -> None:
    assert marked_by_ink(dict.fromkeys("abcd", 0.2)) == {}
    assert marked_by_ink(dict.fromkeys("ab", 0.7)) == {"a": 0.7, "b": 0.7}


@pytest.mark.parametrize("level", [250, 235, 200])
@pytest.mark.parametrize("noise", [0, 6])
def test_glass_is_blank_be_it_gray_or_noisy(level: int, noise: int) -> None:
    grain = np.random.default_rng(0).normal(level, noise, (128, 128, 3))
    assert is_blank(np.clip(grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("sigma, noise", [(1.5, 0), (2, 1.5), (3, 3), (5, 3), (12, 0), (12, 1)])
def test_one_tile_out_of_focus_is_found(
    tissue: list[np.ndarray], sigma: float, noise: float
) -> None:
    tiles = [blurred(tissue[0], sigma, noise), *tissue[1:]]
    found = out_of_focus({str(i): sharpness_of(tile) for i, tile in enumerate(tiles)})
    assert list(found) == ["0"]
    assert found["0"] > 1.75


def test_few_tiles_do_not_say_how_sharp_they_should_be(tissue: list[np.ndarray]) -> None:
    tiles = [blurred(tissue[0], 3, 0), *tissue[1:4]]
    assert out_of_focus({str(i): sharpness_of(tile) for i, tile in enumerate(tiles)}) == {}


def test_doctor_names_them(empty, tissue: list[np.ndarray]) -> None:
    tiles = [*tissue, tissue[0].copy(), blurred(tissue[1], 3, 0), np.full((128, 128, 3), 205)]
    tiles[8][:64] = INKS["blue"]
    tiles[10][::2] += 1
    for number, tile in enumerate(tiles):
        empty.put_tile(f"{number:02d}", tile.astype(np.uint8))
        empty.put_label(f"{number:02d}", empty.indices(128))
    where = {item.what: item.where for item in empty.examined().findings}
    assert where == {
        "tiles with ink or other colours that are not of H&E": ("08: 50% of it",),
        "tiles that look out of focus, or of another resolution": (where_blurred(where),),
        "tiles that are almost empty glass": ("10: bright and without colour",),
    }


def where_blurred(where: dict[str, tuple[str, ...]]) -> str:
    (text,) = where["tiles that look out of focus, or of another resolution"]
    assert text.startswith("09: ")
    assert text.endswith(" times less fine structure than most")
    return text


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real tiles beside the clone")
def test_real_tiles_with_ink_and_no_others_are_named() -> None:
    marked = {}
    for folder in ("consep", "glas"):
        shares, sharpness = {}, {}
        for path in sorted((SHARED / "data" / folder / "tiles").iterdir()):
            with Image.open(path) as image:
                tile = np.asarray(image.convert("RGB"))
            assert not is_blank(tile)
            shares[path.stem], sharpness[path.stem] = ink_share(tile), sharpness_of(tile)
        assert out_of_focus(sharpness) == {}
        marked[folder] = sorted(marked_by_ink(shares))
    assert marked == {"consep": ["train_02", "train_12"], "glas": []}
