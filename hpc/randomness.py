"""Counter-based random numbers, keyed by what they are for.

A number is a pure function of (key, position): no state, no order, no process. The same positions
give the same bits in numpy and torch, on CPU and GPU; normal numbers agree up to the rounding of
log and cos. The mixing function is splitmix64 (Steele, Lea & Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014); normals are Box & Muller's (Ann. Math. Statist. 29, 1958).
"""

from __future__ import annotations

import hashlib
import math
from operator import index
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:  # commands that only need numpy's half start a second sooner without
    import torch

# An int64 array of numpy or torch. Both wrap around on overflow, which is the arithmetic wanted.
Positions = TypeVar("Positions", np.ndarray, "torch.Tensor")

_GOLDEN_GAMMA = 0x9E3779B97F4A7C15
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)


def key_of(seed: int, *purpose: str | int) -> int:
    """A 64-bit signed key for one purpose, such as `key_of(seed, "noise", step)`.

    Purposes that differ in any part, in its type or in the number of parts give unrelated keys.
    """
    # Plain types, because numpy's integers and strings print differently from Python's.
    parts = (str(part) if isinstance(part, str) else int(index(part)) for part in purpose)
    text = repr((int(index(seed)), *parts)).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def bits(key: int | Positions, positions: Positions) -> Positions:
    """64 random bits a position, as int64 of the same shape.

    Several keys at once, int64, give what each of them would give; they are broadcast.
    """
    # A sum of arrays wraps around as well.
    start = _signed(key + _GOLDEN_GAMMA) if isinstance(key, int) else key + _signed(_GOLDEN_GAMMA)
    mixed = positions * _signed(_GOLDEN_GAMMA) + start
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        mixed = (mixed ^ _shift_right(mixed, shift)) * _signed(multiplier)
    return mixed ^ _shift_right(mixed, _SHIFTS[2])


def uniform(key: int | Positions, positions: Positions) -> Positions:
    """Uniform numbers in [0, 1), float64; keys as for `bits`."""
    mantissa = _shift_right(bits(key, positions), 11)
    # Explicitly, because torch turns integer times float into float32.
    if isinstance(mantissa, np.ndarray | np.generic):
        return mantissa.astype(np.float64) * 2.0**-53
    return mantissa.double() * 2.0**-53


def normal(key: int | Positions, positions: Positions) -> Positions:
    """Standard normal numbers, float64; keys as for `bits`. Positions must lie in [0, 2^62)."""
    xp: Any = _namespace(positions)
    # 1 - u lies in (0, 1], so that the logarithm is finite.
    radius = xp.sqrt(-2.0 * xp.log(1.0 - uniform(key, 2 * positions)))
    return radius * xp.cos(2.0 * math.pi * uniform(key, 2 * positions + 1))


def integers(key: int, positions: Positions, bound: int) -> Positions:
    """Integers in [0, bound), int64. The bias of the division is below bound / 2^63."""
    return _shift_right(bits(key, positions), 1) % bound


def permutation(key: int, n: int) -> np.ndarray:
    """A random order of 0..n-1, int64."""
    return np.argsort(bits(key, np.arange(n, dtype=np.int64)), kind="stable")


def distinct_integers(key: int, count: int, bound: int) -> list[int]:
    """`count` different integers in [0, bound), or all of them in some order if there are fewer."""
    chosen: dict[int, None] = {}
    start = 0
    while len(chosen) < min(count, bound):
        drawn = integers(key, np.arange(start, start + count), bound)
        chosen |= dict.fromkeys(drawn.tolist())
        start += count
    return list(chosen)[:count]


def generator_of(key: int) -> np.random.Generator:
    """A numpy generator for sequential code that draws an unforeseeable number of values."""
    return np.random.Generator(np.random.Philox(key=key & 0xFFFFFFFFFFFFFFFF))


def grid_positions(
    channels: int | range, rows: range, columns: range, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Position numbers of a (channels, rows, columns) window of an unbounded grid, int64.

    A window that overlaps another one gives the same numbers where they overlap. Rows and columns
    must lie in [0, 2^20), channels in [0, 2^20).
    """
    import torch

    window = range(channels) if isinstance(channels, int) else channels
    channel = torch.arange(window.start, window.stop, dtype=torch.int64, device=device)
    row = torch.arange(rows.start, rows.stop, dtype=torch.int64, device=device)[None, :, None]
    column = torch.arange(columns.start, columns.stop, dtype=torch.int64, device=device)
    return (channel[:, None, None] << 40) | (row << 20) | column[None, None, :]


def _shift_right(values: Positions, count: int) -> Positions:
    """Logical shift: the sign bit of int64 is an ordinary bit here."""
    return (values >> count) & ((1 << (64 - count)) - 1)


def _signed(value: int) -> int:
    """The int64 that has the same 64 bits."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >= 1 << 63 else value


def _namespace(positions: np.ndarray | torch.Tensor) -> ModuleType:
    if isinstance(positions, np.ndarray | np.generic):
        return np
    import torch

    return torch
