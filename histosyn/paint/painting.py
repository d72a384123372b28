"""A painting as the page sends it: a label map, its seed, areas with own seeds, a stain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from histosyn.labels.schema import LabelSchema
from histosyn.stain.names import NAMES
from histosyn.stain.seen import Code
from histosyn.synthesis.provenance import MOST_REROLLS
from histosyn.synthesis.rerolls import Rerolls
from hpc.errors import InputError

LARGEST_SEED = 2**32 - 1
# That of a black pixel is below 6.
_MOST_DENSITY = 100.0


@dataclass(frozen=True, kw_only=True)
class Painting:
    """Label map `labels_HW`, uint8 class indices, and the noise that its tissue is made with.

    Without a `stain` the seed decides it.
    """

    labels_HW: np.ndarray
    seed: int
    rerolls: Rerolls
    stain: Code | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same painting."""
        parts = (self.labels_HW, self.rerolls.areas_HW)
        words = f"{self.labels_HW.shape} {self.seed} {self.rerolls.seeds} {self.stain}"
        return hashlib.sha256(b"".join(map(np.ndarray.tobytes, parts)) + words.encode()).hexdigest()


def parse_size(text: str, most_pixels: int) -> tuple[int, int]:
    """Height and width from "WIDTHxHEIGHT"; raises InputError."""
    numbers = text.split("x")
    if len(numbers) != 2 or not all(part.isascii() and part.isdigit() for part in numbers):
        raise InputError(f"size {text!r} must be WIDTHxHEIGHT, such as 256x256.")
    width, height = (int(part[:9]) for part in numbers)
    if not width or not height or width * height > most_pixels:
        raise InputError(f"{width} x {height} pixels: this server takes 1 to {most_pixels:,}.")
    return height, width


def parse_painting(
    body: bytes, size: str, seeds: str, stain: str, schema: LabelSchema, most_pixels: int
) -> Painting:
    """A painting as the page sends it: a byte a pixel for the classes, then one for the re-rolls.

    `seeds` are whole numbers with commas between: the map's own, then one for each re-roll; `stain`
    the numbers of a stain code, or empty where the seed decides it.
    Raises InputError naming what does not fit: a wrong length, an index outside the schema.
    """
    height, width = parse_size(size, most_pixels)
    if len(body) != 2 * height * width:
        raise InputError(
            f"{len(body)} bytes came for {width} x {height} pixels, "
            f"which are {2 * height * width}: two a pixel."
        )
    labels_HW, areas_HW = np.frombuffer(body, np.uint8).reshape(2, height, width).copy()
    unknown = np.flatnonzero(~schema.allowed[labels_HW.ravel()])
    if unknown.size:
        row, column = divmod(int(unknown[0]), width)
        raise InputError(
            f"value {labels_HW[row, column]} at column {column}, row {row} is outside schema "
            f"{schema.name}, whose indices are 0 to {len(schema) - 1}."
        )
    seed, *others = _seeds(seeds)
    return Painting(
        labels_HW=labels_HW, seed=seed, rerolls=_rerolls(areas_HW, others), stain=_stain(stain)
    )


def _seeds(text: str) -> list[int]:
    numbers = text.split(",")
    for number in numbers:
        if not (number.isascii() and number.isdigit() and len(number) <= 10):
            raise InputError(f"seed {number[:20]!r} must be a whole number.")
        if int(number) > LARGEST_SEED:
            raise InputError(f"seed {number} must be at most {LARGEST_SEED}.")
    return [int(number) for number in numbers]


def _stain(text: str) -> Code | None:
    if not text:
        return None
    try:
        code = tuple(float(number) for number in text.split(","))
    except ValueError:
        code = ()
    if len(code) != len(NAMES) or not all(abs(number) < _MOST_DENSITY for number in code):
        raise InputError(f"stain {text[:80]!r} must be {len(NAMES)} densities: {', '.join(NAMES)}.")
    return code


def _rerolls(areas_HW: np.ndarray, seeds: list[int]) -> Rerolls:
    if len(seeds) > MOST_REROLLS or areas_HW.max() > len(seeds):
        raise InputError(
            f"area {areas_HW.max()} has no seed: {len(seeds)} came, {MOST_REROLLS} are possible."
        )
    return Rerolls(areas_HW=areas_HW, seeds=tuple(seeds))
