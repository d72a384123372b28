"""How new label maps are made: the range of each operation, and what is allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from hpc.errors import InputError
from hpc.files import sha256_of_bytes

# Raised when the same settings give other maps.
_FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Range:
    """A value is drawn for each map, evenly from `low` to `high`."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}:{self.high:g}"


def parse_range(text: str, option: str, least: float, most: float) -> Range:
    """Read "0:8", or "8" for 8 alone; InputError, naming the option, for what is no such range."""
    try:
        low, high = map(float, text.split(":")) if ":" in text else (float(text), float(text))
    except ValueError:
        low, high = math.nan, math.nan
    if not least <= low <= high <= most:
        raise InputError(
            f"{option} {text} is no range. Write LOW:HIGH, both from {least:g} to {most:g}."
        )
    return Range(low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class NewLabelSettings:
    """The operations and their ranges; `histosyn labels --help` says what each is.

    `size` is (H, W), or None for that of each source. `boost` is by index of the class. With `like`
    maps are drawn from nothing, after measures of the sources: the operations then do not count.
    """

    seed: int = 0
    like: bool = False
    size: tuple[int, int] | None = None
    boost: Mapping[int, float] = field(default_factory=dict)
    join: float = 0.3
    flips: bool = True
    turn: Range = Range(low=-15, high=15)
    zoom: Range = Range(low=0.9, high=1.1)
    bend: Range = Range(low=0, high=12)
    thin: Range = Range(low=0, high=0.2)
    move: Range = Range(low=0, high=0.4)
    reach: float = 48
    crowd: Range = Range(low=0, high=0.2)
    object_turn: float = 180
    object_scale: Range = Range(low=0.9, high=1.1)
    roughen: Range = Range(low=0, high=1)
    slack: float | None = 0.25
    tries: int = 20

    @property
    def changes_objects(self) -> bool:
        """Whether objects are taken from their place at all."""
        return max(self.thin.high, self.move.high, self.crowd.high) > 0

    @property
    def bends(self) -> bool:
        """Whether something changes that is more than a flip and a choice of maps."""
        return (
            self.like
            or self.join > 0
            or self.changes_objects
            or self.size is not None
            or max(self.bend.high, self.roughen.high) > 0
            or (self.turn.low, self.turn.high) != (0, 0)
            or (self.zoom.low, self.zoom.high) != (1, 1)
        )

    def digest(self, sources: Mapping[str, str], schema: Mapping[str, object]) -> str:
        """The same for settings, schema and sources (sha256 by name) that give the same maps."""
        plain = asdict(self) | {"boost": sorted(self.boost.items()), "tries": None}
        facts = [_FORMAT, plain, sorted(sources.items()), schema]
        return sha256_of_bytes(json.dumps(facts, sort_keys=True).encode())
