"""Which outputs become pyramids, how these are compressed, and how much memory that takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from histosyn.pyramids.bigtiff import Codec
from histosyn.synthesis.field_tissue import DEFAULT_MEMORY_GIB
from hpc.errors import InputError

Output = Literal["auto", "png", "tiff"]
# Pixels above which an output becomes a pyramid; 4,096 x 4,096 is a PNG still.
PYRAMID_ABOVE = 1 << 24


@dataclass(frozen=True, kw_only=True)
class SlideConfig:
    """How large outputs are made.

    `output` "auto" makes pyramids of what has more than `PYRAMID_ABOVE` pixels. `extent` (height,
    width) and the class `unannotated` are for label maps that are GeoJSON files.
    """

    output: Output = "auto"
    codec: Codec = "jpeg"
    memory_gib: float = DEFAULT_MEMORY_GIB
    extent: tuple[int, int] | None = None
    unannotated: str | None = None
    # Smaller regions of the label map are not outlined in the annotations beside a pyramid.
    least_region: int = 0

    def __post_init__(self) -> None:
        if not self.memory_gib > 0:
            raise InputError(f"memory = {self.memory_gib} is no number of GiB, such as 2.")
        if self.extent is not None and min(self.extent) < 1:
            raise InputError(f"extent = {self.extent} must be two whole numbers of pixels.")

    @property
    def identity(self) -> list[Any]:
        """What decides the outputs."""
        return [self.output, self.codec, self.extent, self.unannotated, self.least_region]

    def is_slide(self, size: tuple[int, int] | None) -> bool:
        """Whether a label map of this size, None if unknown, becomes a pyramid."""
        if size is None or self.output == "png":
            return False
        return self.output == "tiff" or size[0] * size[1] > PYRAMID_ABOVE


def parse_extent(text: str) -> tuple[int, int]:
    """Height and width of "WIDTHxHEIGHT"; InputError for anything else."""
    match = re.fullmatch(r"([0-9]{1,7})x([0-9]{1,7})", text)
    if match is None:
        raise InputError(f"extent {text!r} must be WIDTHxHEIGHT in pixels, such as 20000x15000.")
    return int(match[2]), int(match[1])
