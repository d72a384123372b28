"""A flat pyramid of tiles as BigTIFF: levels one after another, each with its tiles before it.

TIFF 6.0 with the 64-bit layout of BigTIFF, as OpenSlide, QuPath and libtiff read it. Written here
because tiles come compressed, out of files, and tifffile takes compressed JPEG only where another
package of 26 MB is installed that it never calls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Literal

Codec = Literal["jpeg", "deflate"]

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 1, 2, 3, 4, 5, 16
_FORMS = {_BYTE: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q"}
_JPEG, _DEFLATE = 7, 8
_RGB, _YCBCR = 2, 6
_CENTIMETRE = 3
_MICRONS_PER_CM = 10_000
_REDUCED = 1
Entry = tuple[int, int, bytes]


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level: (H, W), the side of its tiles, and these, compressed, row after row."""

    size: tuple[int, int]
    tile: int
    tiles: Iterable[bytes]


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What is said of the image: microns per pixel of the full size if known, texts, and XMP."""

    mpp: float | None
    description: str
    software: str
    xmp: bytes


def write_pyramid(file: IO[bytes], levels: Sequence[Level], codec: Codec, notes: Notes) -> None:
    """Write RGB levels, largest first, into an empty file that can be sought in."""
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    link = 8
    for number, level in enumerate(levels):
        offsets, lengths = [], []
        for data in level.tiles:
            offsets.append(file.tell())
            lengths.append(len(data))
            file.write(data)
        entries = [*_entries(level, codec, offsets, lengths), *_notes(notes, number)]
        link = _write_directory(file, entries, link)


def _entries(
    level: Level, codec: Codec, offsets: Sequence[int], lengths: Sequence[int]
) -> list[Entry]:
    height, width = level.size
    jpeg = codec == "jpeg"
    entries = [
        _numbers(256, _LONG, width),
        _numbers(257, _LONG, height),
        _numbers(258, _SHORT, 8, 8, 8),
        _numbers(259, _SHORT, _JPEG if jpeg else _DEFLATE),
        _numbers(262, _SHORT, _YCBCR if jpeg else _RGB),
        _numbers(277, _SHORT, 3),
        _numbers(284, _SHORT, 1),
        _numbers(322, _LONG, level.tile),
        _numbers(323, _LONG, level.tile),
        _numbers(324, _LONG8, *offsets),
        _numbers(325, _LONG8, *lengths),
    ]
    # Colours at half the resolution, between 0 and 255: as JPEG files have them.
    if jpeg:
        entries += [
            _numbers(530, _SHORT, 2, 2),
            _rationals(532, *map(Fraction, (0, 255, 128, 255, 128, 255))),
        ]
    return entries


def _notes(notes: Notes, number: int) -> list[Entry]:
    entries = [_numbers(254, _LONG, _REDUCED if number else 0)]
    if notes.mpp is not None:
        per_cm = Fraction(_MICRONS_PER_CM / (notes.mpp * 2**number)).limit_denominator(1 << 16)
        entries += [_rationals(282, per_cm), _rationals(283, per_cm)]
        entries.append(_numbers(296, _SHORT, _CENTIMETRE))
    if number == 0:
        entries += [_text(270, notes.description), _text(305, notes.software)]
        entries.append((700, _BYTE, notes.xmp))
    return [entry for entry in entries if entry[2].strip(b"\0") or entry[1] != _ASCII]


def _write_directory(file: IO[bytes], entries: Sequence[Entry], link: int) -> int:
    """Write the entries, values behind them, and at `link` where they are; the next link."""
    file.write(bytes(-file.tell() % 8))
    place = file.tell()
    beside = place + 8 + 20 * len(entries) + 8
    written, values = struct.pack("<Q", len(entries)), b""
    for tag, kind, data in sorted(entries):
        written += struct.pack("<HHQ", tag, kind, len(data) // _BYTES_OF[kind])
        if len(data) <= 8:
            written += data.ljust(8, b"\0")
        else:
            written += struct.pack("<Q", beside + len(values))
            values += data + bytes(-len(data) % 8)
    file.write(written + bytes(8) + values)
    end = file.tell()
    file.seek(link)
    file.write(struct.pack("<Q", place))
    file.seek(end)
    return beside - 8


_BYTES_OF = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _LONG8: 8}


def _numbers(tag: int, kind: int, *numbers: int) -> Entry:
    return tag, kind, struct.pack(f"<{len(numbers)}{_FORMS[kind]}", *numbers)


def _rationals(tag: int, *numbers: Fraction) -> Entry:
    return (
        tag,
        _RATIONAL,
        b"".join(struct.pack("<II", each.numerator, each.denominator) for each in numbers),
    )


def _text(tag: int, text: str) -> Entry:
    return tag, _ASCII, text.encode() + b"\0"
