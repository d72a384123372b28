"""Label maps that a lossy compression has changed are refused in whatever container."""

import io

import numpy as np
import pytest
from PIL import Image

from histosyn.images.compression import LossyError
from histosyn.images.tiles import read_tile
from histosyn.labels.pixel_values import read_pixel_values
from hpc.errors import InputError

COLORS = np.array([(84, 198, 233), (252, 247, 49), (108, 3, 7)], np.uint8)
LABELS = COLORS[np.random.default_rng(0).integers(0, 3, (32, 32)).repeat(2, 0).repeat(2, 1)]


def saved(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(LABELS).save(buffer, kind, **options)
    return buffer.getvalue()


LOSSY = {
    "JPEG": saved("JPEG", quality=100),
    "MPO": saved("MPO", save_all=True, append_images=[Image.fromarray(LABELS[::2, ::2])]),
    "WebP": saved("WEBP"),
    "WebP with metadata": saved("WEBP", exif=Image.Exif().tobytes(), quality=100),
    "WebP of one frame": saved("WEBP", save_all=True, quality=90),
    "JPEG in TIFF": saved("TIFF", compression="jpeg"),
}
LOSSLESS = {
    "PNG": saved("PNG"),
    "WebP": saved("WEBP", lossless=True),
    "WebP with metadata": saved("WEBP", lossless=True, exif=Image.Exif().tobytes()),
    "BMP": saved("BMP"),
    **{
        f"TIFF {name}": saved("TIFF", compression=name)
        for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
    },
}


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_label_maps_are_refused(kind, tmp_path):
    (tmp_path / "labels.png").write_bytes(LOSSY[kind])
    with pytest.raises(LossyError, match=r"labels\.png is a .*Export the label map again, as PNG"):
        read_pixel_values(tmp_path / "labels.png", "labels.png")


@pytest.mark.parametrize("kind", LOSSY)
def test_tiles_may_be_lossy(kind):
    assert read_tile(LOSSY[kind], "x").shape == LABELS.shape


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_label_maps_are_read(kind):
    pixel_values, value_of_pixel = read_pixel_values(LOSSLESS[kind], "x")
    assert np.array_equal(pixel_values.colors[value_of_pixel], LABELS)


def test_a_gif_is_lossless_but_for_its_256_colours():
    pixel_values, value_of_pixel = read_pixel_values(saved("GIF"), "x")
    assert np.array_equal(pixel_values.colors[value_of_pixel], LABELS)


def altered_tag(data, tag, value):
    """A TIFF, little-endian as Pillow writes it, with another number in a tag."""
    place = data.index(tag.to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00")
    return data[: place + 8] + value.to_bytes(2, "little") + data[place + 10 :]


@pytest.mark.parametrize(
    "compression, kind",
    [(6, r"JPEG \(old style\)"), (50001, "WebP"), (34712, "no image of a known kind")],
)
def test_what_cannot_be_decoded_is_no_label_map_either(compression, kind):
    data = altered_tag(saved("TIFF", compression="tiff_lzw"), 259, compression)
    with pytest.raises(InputError, match=kind):
        read_pixel_values(data, "x")


def test_colours_in_ycbcr_are_not_exact():
    data = altered_tag(saved("TIFF"), 262, 6)
    with pytest.raises(LossyError, match="YCbCr"):
        read_pixel_values(data, "x")
