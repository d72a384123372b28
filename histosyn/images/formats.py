"""The closed list of image formats that are read, recognized by magic bytes, not by suffix."""

from __future__ import annotations

from dataclasses import dataclass

# Importing these makes Pillow know them; no other of its readers is ever asked. Some of those
# start programs (Ghostscript for PostScript), and none is a format of tiles or label maps.
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL import WebPImagePlugin as _WebPImagePlugin

__all__ = [
    "FORMATS",
    "FORMATS_TEXT",
    "IMAGE_SUFFIXES",
    "SLIDE_SUFFIXES",
    "UNREAD_SUFFIXES",
    "format_of",
    "kind_of",
]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format by Pillow's name: how its files begin, and how their names end."""

    name: str
    beginnings: tuple[bytes, ...]
    suffixes: tuple[str, ...]
    within: bytes = b""
    """What follows the first eight bytes."""


FORMATS = (
    Format(
        name=PngImagePlugin.PngImageFile.format,
        beginnings=(b"\x89PNG\r\n\x1a\n",),
        suffixes=(".png", ".apng"),
    ),
    Format(
        name=JpegImagePlugin.JpegImageFile.format,
        beginnings=(b"\xff\xd8\xff",),
        suffixes=(".jpg", ".jpeg", ".jfif", ".jpe", ".mpo"),
    ),
    Format(
        name=TiffImagePlugin.TiffImageFile.format,
        beginnings=tuple(TiffImagePlugin.PREFIXES),
        suffixes=(".tif", ".tiff"),
    ),
    Format(name=BmpImagePlugin.BmpImageFile.format, beginnings=(b"BM",), suffixes=(".bmp", ".dib")),
    Format(
        name=_WebPImagePlugin.WebPImageFile.format,
        beginnings=(b"RIFF",),
        within=b"WEBP",
        suffixes=(".webp",),
    ),
    Format(
        name=GifImagePlugin.GifImageFile.format,
        beginnings=(b"GIF87a", b"GIF89a"),
        suffixes=(".gif",),
    ),
)
FORMATS_TEXT = "PNG, JPEG, TIFF, BMP, WebP and GIF"
IMAGE_SUFFIXES = frozenset(suffix for item in FORMATS for suffix in item.suffixes)
# Whole-slide images, which OpenSlide reads (`histosyn.slides`).
SLIDE_SUFFIXES = frozenset({
    ".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif",
})  # fmt: skip
# Files that hold pixels but are not read. They are told with their number, not passed over.
UNREAD_SUFFIXES = frozenset({
    ".jp2", ".j2k", ".jpf", ".jpx", ".jpm", ".jxl", ".jxr", ".heic", ".heif", ".avif", ".svs",
    ".ndpi", ".scn", ".mrxs", ".vms", ".vmu", ".bif", ".czi", ".lif", ".nd2", ".vsi", ".qptiff",
    ".isyntax", ".dcm", ".npy", ".npz", ".mat", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".tga",
    ".psd", ".xcf", ".exr", ".hdr", ".dng", ".cr2", ".nef", ".arw", ".ico", ".eps", ".ps", ".svg",
    ".h5", ".hdf", ".zarr", ".avifs", ".j2c", ".jpc", ".bw", ".rgb", ".rgba", ".sgi", ".dds",
    ".fit", ".fits", ".icns", ".im", ".pcx", ".dcx", ".pfm", ".qoi", ".ras", ".vda", ".icb", ".vst",
    ".xbm", ".xpm", ".wmf", ".emf", ".pcd", ".blp", ".cur", ".msp",
})  # fmt: skip
# What else may stand in a file that is called an image.
_OTHER_FORMATS = (
    (b"%!PS", "PostScript"), (b"\xc5\xd0\xd3\xc6", "PostScript"), (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"), (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"), (b"\xff\x0a", "JPEG XL"), (b"8BPS", "Photoshop"),
    (b"\x89HDF", "HDF5"), (b"\x93NUMPY", "NumPy"), (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"), (b"P5", "PGM"), (b"P6", "PPM"), (b"<", "XML or HTML"),
    (b"version http", "a Git LFS pointer, not the file it stands for"),
)  # fmt: skip


def format_of(data: bytes) -> str | None:
    """Pillow's name of the format that `data` begins like; None if it is not of the list."""
    for item in FORMATS:
        if data.startswith(item.beginnings) and data.startswith(item.within, 8):
            return item.name
    return None


def kind_of(data: bytes) -> str | None:
    """What data of another format begin like, for people; None if nobody knows."""
    if data[4:8] == b"ftyp":
        return "HEIC or AVIF"
    if data[128:132] == b"DICM":
        return "DICOM"
    return next((kind for beginning, kind in _OTHER_FORMATS if data.startswith(beginning)), None)
