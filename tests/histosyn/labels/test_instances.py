"""Numbers of objects are told from classes, and folded into one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from tissue import SCHEMA, SHARED, blobs

from histosyn.labels.instances import (
    Numbering,
    areas_of,
    class_for_objects,
    read_objects,
    warn_of_objects,
)
from histosyn.labels.label_map import label_png_bytes
from histosyn.labels.pixel_values import read_pixel_values
from histosyn.phantom import render_phantom
from hpc.errors import ConfigError, LabelError

GLANDS = (3, 7, 2, 9, 5, 4)


def glands(count: int, numbers: list[int] | None = None, side: int = 96) -> np.ndarray:
    """Squares on a grid, each with its number."""
    values = np.zeros((side, side), dtype=np.uint8)
    for place, number in enumerate(numbers or range(1, count + 1)):
        y, x = divmod(place, 8)
        values[12 * y + 2 : 12 * y + 10, 12 * x + 1 : 12 * x + 9] = number
    return values


def numbering_of(maps: list[np.ndarray]) -> Numbering:
    numbering = Numbering()
    for number, values in enumerate(maps):
        areas = areas_of(values)
        if areas is not None:
            numbering.count(f"{number}.png", areas)
    return numbering


def test_numbered_glands_are_told_with_what_gave_them_away() -> None:
    numbering = numbering_of([np.zeros((96, 96), np.uint8), *map(glands, GLANDS)])
    assert numbering.numbers_objects
    assert numbering.reason == (
        "30 of 30 values are one connected area in their file, and they count from 1; 4.png has 9"
    )


def test_objects_cut_by_the_edge_of_a_tile_are_told_all_the_same() -> None:
    maps = [glands(count) for count in (10, 12, 9, 7)]
    maps[0][2:4, 80:90] = 1
    maps[2][90:, :4] = 255
    assert numbering_of(maps).numbers_objects


def test_numbers_with_gaps_as_in_crops_of_larger_maps() -> None:
    random = np.random.default_rng(0)
    maps = [
        glands(0, sorted(random.choice(np.arange(1, 60), 5, replace=False).tolist()))
        for _ in range(8)
    ]
    assert numbering_of(maps).numbers_objects


def test_one_file_of_many_objects_is_enough() -> None:
    assert numbering_of([glands(40)]).numbers_objects


@pytest.mark.parametrize(
    "maps",
    [
        [glands(1)] * 20,
        [glands(4)] * 20,
        [glands(3), glands(2), glands(1)],
        [glands(count) % 4 for count in GLANDS],
        [blobs(index, 96)[1] for index in range(8)],
        [render_phantom(seed=0, index=index, size=128)[1] for index in range(8)],
        [np.random.default_rng(0).integers(0, 256, (96, 96)).astype(np.uint8)],
        [],
    ],
    ids=["masks", "as many everywhere", "few", "classes", "blobs", "phantom", "noise", "nothing"],
)
def test_classes_are_no_objects(maps: list[np.ndarray]) -> None:
    assert not numbering_of(maps).numbers_objects


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real label maps beside the clone")
def test_real_class_maps_are_no_objects_and_their_glands_numbered_would_be() -> None:
    from scipy import ndimage

    for folder in ("consep/labels", "glas/labels", "seed_labels/10-class-colon"):
        maps, numbered = [], []
        for path in sorted((SHARED / "data" / folder).glob("*.png"))[:27]:
            _, value_of_pixel = read_pixel_values(path, path.name)
            maps.append(value_of_pixel.astype(np.uint8))
            numbers, _ = ndimage.label(value_of_pixel == 2, np.ones((3, 3)))
            numbered.append(np.minimum(numbers, 254).astype(np.uint8))
        assert maps
        assert not numbering_of(maps).numbers_objects, folder
        assert numbering_of(numbered[:4]).numbers_objects, folder


@pytest.mark.parametrize("kind", ["png", "bmp", "palette", "deep", "mat"])
def test_objects_become_one_class(tmp_path: Path, kind: str) -> None:
    numbers = glands(30)
    path = tmp_path / f"a.{kind if kind in ('bmp', 'mat') else 'png'}"
    if kind == "mat":
        savemat(path, {"rr": numbers})
    elif kind == "deep":
        Image.fromarray(numbers.astype(np.uint16) * 300).save(path)
    else:
        image = Image.fromarray(numbers)
        if kind == "palette":
            image.putpalette(np.random.default_rng(0).bytes(768))
        image.save(path)
    assert np.array_equal(read_objects(path, 2, "a"), np.where(numbers, 2, 0))


def test_grays_written_as_colours_number_objects(tmp_path: Path) -> None:
    numbers = glands(5)
    Image.fromarray(np.stack([numbers] * 3, axis=-1)).save(tmp_path / "a.png")
    assert np.array_equal(read_objects(tmp_path / "a.png", 2, "a"), np.where(numbers, 2, 0))
    pixel_values, value_of_pixel_HW = read_pixel_values(tmp_path / "a.png", "a")
    assert np.array_equal(pixel_values.indices[value_of_pixel_HW], numbers)


def test_colours_number_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    with pytest.raises(LabelError, match="a has mode RGB; numbered objects are 8 or 16 bits"):
        read_objects(tmp_path / "a.png", 1, "a")


def test_the_class_of_objects_is_one_of_the_schema_but_not_the_first() -> None:
    assert class_for_objects("epithelium", SCHEMA) == 2
    with pytest.raises(ConfigError, match="no such class, but background, non-epithelium"):
        class_for_objects("gland", SCHEMA)
    with pytest.raises(ConfigError, match="the first class"):
        class_for_objects("background", SCHEMA)


def test_readers_of_class_maps_are_warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = []
    for number, count in enumerate(GLANDS):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(glands(count)).save(paths[-1])
    paths.append(tmp_path / "damaged.png")
    paths[-1].write_bytes(b"no image")
    warn_of_objects(paths, SCHEMA)
    assert "number objects" in caplog.text
    assert "histosyn pack --objects-are CLASS" in caplog.text
    caplog.clear()
    for path in paths[:-1]:
        labels = (np.asarray(Image.open(path)) > 0).astype(np.uint8)
        path.write_bytes(label_png_bytes(labels, SCHEMA))
    warn_of_objects(paths, SCHEMA)
    assert caplog.text == ""
