"""Files of several images are refused with their number; pyramids and thumbnails are one image."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from histosyn.doctor.image_header import read_header
from histosyn.images.file import opened_image, size_in_header
from histosyn.images.pages import MOST_PAGES, PagesError
from histosyn.images.tiles import read_tile
from histosyn.labels.pixel_values import read_pixel_values
from hpc.errors import DatasetError

TILE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def saved(kind, first, *others, **options):
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=list(others), **options)
    return buffer.getvalue()


def channels(number):
    return [Image.fromarray(np.full((8, 8), i % 250 + 3, np.uint8)) for i in range(number)]


def resized(*sizes):
    image = Image.fromarray(TILE)
    return image, *(image.resize(size) for size in sizes)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("number", [2, 5])
def test_label_maps_in_channels_or_frames_are_refused(kind, number):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(kind, *channels(number), **options)
    with pytest.raises(
        PagesError, match=f"t0 holds {number} images .*join others into class indices"
    ):
        read_pixel_values(data, "t0")
    assert size_in_header(data) is None


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg", "tiff_adobe_deflate"])
def test_a_tile_of_two_pages_is_refused(compression):
    other = Image.fromarray(255 - TILE)
    data = saved("TIFF", Image.fromarray(TILE), other, compression=compression)
    with pytest.raises(PagesError, match="holds 2 images"):
        read_tile(data, "x")


def test_a_picture_for_each_eye_is_two_images():
    data = saved("MPO", Image.fromarray(TILE), Image.fromarray(255 - TILE))
    with pytest.raises(PagesError, match="holds 2 images"):
        read_tile(data, "x")


def test_a_photograph_with_its_preview_is_one_image():
    data = saved("MPO", *resized((32, 24)), quality=95, subsampling=0)
    alone = io.BytesIO()
    Image.fromarray(TILE).save(alone, "JPEG", quality=95, subsampling=0)
    assert np.array_equal(read_tile(data, "x"), read_tile(alone.getvalue(), "y"))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize(
    "sizes", [((32, 24),), ((32, 24), (16, 12), (8, 6)), ((31, 24),), ((33, 24), (16, 13))]
)
def test_pyramids_are_read(compression, sizes):
    data = saved("TIFF", *resized(*sizes), compression=compression)
    assert np.array_equal(read_tile(data, "x"), TILE)
    assert size_in_header(data) == (48, 64)


@pytest.mark.parametrize("sizes", [((64, 24),), ((32, 48),), ((30, 30),), ((32, 24), (64, 48))])
def test_other_sizes_are_other_images(sizes):
    with pytest.raises(PagesError, match=f"holds {1 + len(sizes)} images"):
        read_tile(saved("TIFF", *resized(*sizes)), "x")


def with_tags(image, tags):
    image.encoderinfo = {"tiffinfo": tags}
    return image


def test_a_page_that_is_said_to_be_reduced_is_a_copy_whatever_its_shape():
    """Scanners add a square thumbnail, or a picture of the glass with its label."""
    image, thumbnail = resized((20, 20))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    data = saved("TIFF", image, with_tags(thumbnail, tags))
    assert np.array_equal(read_tile(data, "x"), TILE)


def test_a_stack_of_imagej_behind_one_directory():
    """Beyond 4 GB, and from some programs, the other images lie there without a directory."""
    buffer = io.BytesIO()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "ImageJ=1.53t\nimages=5\nchannels=5\n"
    Image.fromarray(TILE[..., 0]).save(buffer, "TIFF", tiffinfo=tags)
    with pytest.raises(PagesError, match="holds 5 images"):
        read_pixel_values(buffer.getvalue(), "x")


def test_one_image_of_imagej_is_read():
    buffer = io.BytesIO()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "ImageJ=1.53t\nimages=1\nunit=micron\n"
    Image.fromarray(TILE).save(buffer, "TIFF", tiffinfo=tags)
    assert np.array_equal(read_tile(buffer.getvalue(), "x"), TILE)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_an_animation_of_one_frame_is_an_image(kind):
    data = saved(kind, Image.fromarray(TILE), **({"lossless": True} if kind == "WEBP" else {}))
    with opened_image(data, "x") as image:
        assert image.size == (64, 48)


def test_very_many_pages_are_not_all_looked_at():
    data = saved("TIFF", *channels(MOST_PAGES + 3))
    with pytest.raises(PagesError, match=f"holds {MOST_PAGES} or more images"):
        read_pixel_values(data, "x")


def test_five_channels_in_one_page_are_told():
    """As tifffile writes an array of height x width x 5."""
    pixels = bytes(range(4 * 4 * 5))
    entries = [
        (256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, 5), (278, 3, 1, 4), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    data = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + bytes(4)
    with pytest.raises(DatasetError, match="holds 5 channels"):
        read_pixel_values(data, "x")


@pytest.mark.parametrize("photometric", [1, 4])
def test_a_transparency_mask_is_no_second_image(tmp_path, photometric):
    """As GDAL writes it. It is read as opaque, like a transparent colour, and doctor says so."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 4
    mask = with_tags(Image.new("1", (64, 48), 1), tags)
    data = saved("TIFF", Image.fromarray(TILE), mask)
    place = data.rindex(b"\x06\x01\x03\x00\x01\x00\x00\x00")  # the mask's tag 262
    data = data[: place + 8] + bytes([photometric]) + data[place + 9 :]
    assert np.array_equal(read_tile(data, "x"), TILE)
    (tmp_path / "x.tif").write_bytes(data)
    assert read_header(tmp_path / "x.tif").see_through
