"""A tile and its label map that were stored lying down come out upright, and in every format."""

import io
import zlib

import numpy as np
import pytest
from encoding import png_chunk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histosyn.images.file import opened_header, opened_image, size_in_header
from histosyn.images.orientation import upright_size
from histosyn.images.tiles import read_tile
from histosyn.labels.pixel_values import read_pixel_values

# What was done to the upright pixels, which the number tells how to undo.
LYING = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
OPTIONS = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_lzw"},
}
UPRIGHT = np.zeros((24, 40, 3), np.uint8)
UPRIGHT[:8, :8] = (200, 30, 60)
UPRIGHT[16:, 32:] = (20, 180, 90)


def exif_of(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def stored(kind, number, pixels=UPRIGHT, **more):
    """An image lying as `number` says, which its EXIF tells."""
    buffer = io.BytesIO()
    lying = Image.fromarray(np.ascontiguousarray(LYING[number](pixels)))
    lying.save(buffer, kind, exif=exif_of(number), **OPTIONS[kind], **more)
    return buffer.getvalue()


def xmp_of(number):
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{number}"/></x:xmpmeta>'.encode()


def png_with(number, behind=b"", before=b""):
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(LYING[number](UPRIGHT))).save(buffer, "PNG")
    data = buffer.getvalue()
    end = len(data) - 12
    return data[:33] + before + data[33:end] + behind + data[end:]


def raw_profile(number):
    """How ImageMagick writes EXIF into a text chunk."""
    exif = b"Exif\0\0" + exif_of(number).tobytes()[6:]
    text = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    return png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("number", LYING)
def test_tiles_are_turned_upright(kind, number):
    data = stored(kind, number)
    tile = read_tile(data, "x")
    assert tile.shape == UPRIGHT.shape
    assert np.abs(tile.astype(int) - UPRIGHT).mean() < (4 if kind == "JPEG" else 1e-9)
    assert size_in_header(data) == tile.shape[:2]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("number", LYING)
def test_label_maps_are_turned_upright(kind, number):
    indices = np.zeros((6, 10), np.uint8)
    indices[:2, :3] = 1
    pixels = indices if kind != "WEBP" else np.repeat(indices[..., None], 3, axis=2)
    pixel_values, value_of_pixel = read_pixel_values(stored(kind, number, pixels), "x")
    values = pixel_values.indices if pixel_values.indices is not None else pixel_values.colors[:, 0]
    assert np.array_equal(values[value_of_pixel], indices)


@pytest.mark.parametrize("number", LYING)
def test_a_palette_is_turned_with_its_indices(number):
    indices = np.zeros((6, 10), np.uint8)
    indices[:2, :3] = 1
    image = Image.fromarray(np.ascontiguousarray(LYING[number](indices)))
    image.putpalette([9, 8, 7, 200, 0, 0])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif_of(number))
    pixel_values, value_of_pixel = read_pixel_values(buffer.getvalue(), "x")
    assert np.array_equal(pixel_values.indices[value_of_pixel], indices)
    assert pixel_values.colors.tolist() == [[9, 8, 7], [200, 0, 0]]


@pytest.mark.parametrize("number", [3, 6, 8])
@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("form", ["eXIf", "text", "XMP"])
def test_a_png_may_say_it_anywhere_and_in_three_ways(number, place, form):
    notes = {
        "eXIf": png_chunk(b"eXIf", exif_of(number).tobytes()[6:]),
        "text": raw_profile(number),
        "XMP": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_of(number)),
    }
    data = png_with(number, **{place: notes[form]})
    assert np.array_equal(read_tile(data, "x"), UPRIGHT)
    assert size_in_header(data) == UPRIGHT.shape[:2]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_xmp_alone_says_it_too(kind):
    buffer = io.BytesIO()
    lying = Image.fromarray(np.ascontiguousarray(LYING[6](UPRIGHT)))
    lying.save(buffer, kind, xmp=xmp_of(6), **OPTIONS[kind])
    data = buffer.getvalue()
    assert read_tile(data, "x").shape == UPRIGHT.shape
    assert size_in_header(data) == UPRIGHT.shape[:2]


def test_a_pyramid_that_lies_down_is_turned_once():
    lying = Image.fromarray(np.ascontiguousarray(LYING[6](UPRIGHT)))
    half = lying.resize((lying.width // 2, lying.height // 2))
    buffer = io.BytesIO()
    lying.save(buffer, "TIFF", save_all=True, append_images=[half], exif=exif_of(6))
    data = buffer.getvalue()
    assert np.array_equal(read_tile(data, "x"), UPRIGHT)
    assert size_in_header(data) == UPRIGHT.shape[:2]


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\1", b"Exif\0\0nonsense" * 9])
def test_exif_that_nobody_understands_says_nothing(exif):
    buffer = io.BytesIO()
    Image.fromarray(UPRIGHT).save(buffer, "JPEG", exif=exif)
    data = buffer.getvalue()
    assert read_tile(data, "x").shape == UPRIGHT.shape
    assert size_in_header(data) == UPRIGHT.shape[:2]


@given(st.sampled_from(sorted(OPTIONS)), st.integers(0, 255), st.booleans())
def test_header_and_decoder_agree_on_the_size(kind, number, with_xmp):
    """Whatever number stands there, and whichever of two notes counts."""
    if kind == "TIFF" and number not in LYING:
        return  # not written by Pillow
    more = {"xmp": xmp_of(8)} if with_xmp and kind in ("JPEG", "WEBP") else {}
    buffer = io.BytesIO()
    image = Image.fromarray(UPRIGHT)
    image.save(buffer, kind, exif=exif_of(number), **OPTIONS[kind], **more)
    data = buffer.getvalue()
    with opened_image(data, "x") as decoded:
        assert size_in_header(data) == (decoded.height, decoded.width)
    with opened_header(data, "x") as header:
        assert upright_size(header, data) == (decoded.height, decoded.width)
