"""Label maps that have a channel for each class, as pages or as samples of a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histosyn.labels.channels import read_channels
from histosyn.labels.label_map import LabelClass, LabelSchema, read_label_map
from hpc.errors import DatasetError, LabelError

CLASSES = tuple(LabelClass(name=f"c{i}", color=f"#0000{i:02x}") for i in range(5))
SCHEMA = LabelSchema(name="five", classes=CLASSES, ignore=255)


def planes(count: int = 5, on: int = 255) -> np.ndarray:
    """Channel c is on in row c and, over others, in column 7 - c."""
    found = np.zeros((count, 8, 8), np.uint8)
    for number in range(count):
        found[number, number] = on
        found[number, :, 7 - number] = on
    return found


def expected(count: int = 5) -> np.ndarray:
    numbers = np.full((8, 8), 255)
    for number in range(count):
        numbers[number] = number
        numbers[:, 7 - number] = number
    return numbers


def as_pages(path: Path, planes_CHW: np.ndarray) -> Path:
    first, *others = map(Image.fromarray, planes_CHW)
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    return path


def as_tifffile(path: Path, planes_CHW: np.ndarray, **how: object) -> Path:
    tifffile = pytest.importorskip("tifffile", reason="tifffile, of `slides`, is not installed")
    tifffile.imwrite(path, planes_CHW, **how)
    return path


WAYS = {
    "pages": as_pages,
    "imagej": lambda path, data: as_tifffile(path, data[None, None], imagej=True),
    "planar": lambda path, data: as_tifffile(
        path, data, photometric="minisblack", planarconfig="separate", metadata=None
    ),
    "interleaved": lambda path, data: as_tifffile(
        path, np.moveaxis(data, 0, 2), photometric="minisblack", planarconfig="contig",
        metadata=None, compression="zlib",
    ),
    "ome": lambda path, data: as_tifffile(path, data, ome=True, metadata={"axes": "CYX"}),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("on", [1, 255])
def test_a_channel_is_a_class(tmp_path: Path, way: str, on: int) -> None:
    path = WAYS[way](tmp_path / "a.tif", planes(on=on))

    assert np.array_equal(read_label_map(path, SCHEMA), expected())


def test_channels_are_classes_whatever_values_files_by_index_have(tmp_path: Path) -> None:
    odd = LabelSchema(name="odd", classes=CLASSES, ignore=254, ignore_values=(0,))
    path = as_pages(tmp_path / "a.tif", planes())

    assert np.array_equal(read_label_map(path, odd), np.where(expected() == 255, 254, expected()))


def test_more_channels_than_classes(tmp_path: Path) -> None:
    path = as_pages(tmp_path / "a.tif", planes(7))

    with pytest.raises(LabelError, match="a.tif: there is a channel number [56].* has 5 classes"):
        read_label_map(path, SCHEMA)


def test_what_is_in_no_channel_needs_a_meaning(tmp_path: Path) -> None:
    strict = LabelSchema(name="strict", classes=CLASSES)
    path = as_pages(tmp_path / "a.tif", planes())

    with pytest.raises(LabelError, match="9 pixels are in none of its channels.*ignore = 255"):
        read_label_map(path, strict)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: np.where(data > 0, np.arange(8, dtype=np.uint8), data),
        lambda data: data.astype(np.uint16),
    ],
    ids=["other values", "16 bits"],
)
def test_other_channels_are_refused_as_before(tmp_path: Path, spoil: object) -> None:
    path = as_pages(tmp_path / "a.tif", spoil(planes()))

    assert read_channels(path, "a.tif") is None
    with pytest.raises(DatasetError, match="a.tif holds 5 images"):
        read_label_map(path, SCHEMA)


def test_pages_of_unequal_size_are_no_channels(tmp_path: Path) -> None:
    first, second = Image.new("L", (8, 8), 255), Image.new("L", (9, 8), 255)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])

    assert read_channels(tmp_path / "a.tif", "a.tif") is None


def test_other_files_are_none(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(b"II*\0" + bytes(30))
    Image.new("L", (8, 8)).save(tmp_path / "c.tif")

    for name in ("a.png", "b.tif", "c.tif"):
        assert read_channels(tmp_path / name, name) is None
