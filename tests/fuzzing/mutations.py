"""Damage, seeded: to bits and bytes, to what stands in JSON and text, and to lengths in headers."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fuzzing import formats

Change = Callable[[bytes, random.Random], bytes]

_ODD_NUMBERS = (0, 1, 255, 256, *(2**n - 1 for n in (31, 32, 63, 64)), 2**15, 2**40, 2**60)
_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**20,
    -(10**30),
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "x",
    "\0",
    "\ud800",
    "../../x",
    "/dev/zero",
    "a" * 5000,
    "\u202e\x1b[31m",
    [],
    {},
    [[]],
    [1] * 1000,
    {"a": {}},
    "nan",
    "1",
    "2026-99-99",
    "pipe:touch hacked",
    2**31,
    2**63,
    2**64,
)
_ODD_TEXTS = (
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "99999999999999999999",
    "1_000",
    "''",
    '"\\u0000"',
    "[",
    "{",
    "true",
    "[1, 2]",
    "a" * 3000,
    "\0",
    "\x1b[2J",
    "\u0660",
    "1.5",
    "=cmd",
    ";",
    ",,",
    "\r",
    "#",
    "1979-05-27",
    "../../x",
    "{}",
)
_WORD = re.compile(rb"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class Mutation:
    """Damaged bytes; `resealed` says that checksums inside were made to fit again."""

    name: str
    data: bytes
    resealed: bool = False


def mutate(data: bytes, kind: str, key: str) -> Mutation:
    """One mutation of `data`, decided by `key`; a third of them take the format apart."""
    chance = random.Random(key)
    own = _OWN.get(kind, ())
    for _ in range(20):
        if own and chance.random() < 0.6:
            change, resealed = chance.choice(own)
        else:
            change, resealed = chance.choice(_ANY), False
        changed = change(data, chance)
        if changed != data:
            return Mutation(change.__name__, changed, resealed)
    return Mutation("append", data + b"\0")


def flip(data: bytes, chance: random.Random) -> bytes:
    """One bit."""
    return _replaced(data, chance, lambda old: bytes([old[0] ^ (1 << chance.randrange(8))]))


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of a stretch."""
    return _replaced(data, chance, lambda old: chance.randbytes(len(old)), chance.randint(1, 16))


def blank(data: bytes, chance: random.Random) -> bytes:
    """A stretch of zeros, or of ones, as a lost block leaves it."""
    fill = chance.choice((b"\0", b"\xff"))
    return _replaced(data, chance, lambda old: fill * len(old), chance.randint(1, 4096))


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end is lost."""
    return data[: chance.randrange(len(data) + 1) if data else 0]


def leave_out(data: bytes, chance: random.Random) -> bytes:
    """A part in the middle is lost."""
    start, end = _stretch(data, chance)
    return data[:start] + data[end:]


def double(data: bytes, chance: random.Random) -> bytes:
    """A part is there twice."""
    start, end = _stretch(data, chance)
    return data[:end] + data[start:end] + data[end:]


def put_in(data: bytes, chance: random.Random) -> bytes:
    """Something that does not belong there."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, 64)) + data[at:]


def odd_integer(data: bytes, chance: random.Random) -> bytes:
    """A length, an offset or a count that nobody wrote."""
    size = chance.choice((2, 4, 8))
    number = chance.choice(_ODD_NUMBERS) % (1 << (8 * size))
    order = chance.choice(("little", "big"))
    return _replaced(data, chance, lambda old: number.to_bytes(size, order), size, near_start=True)  # type: ignore[arg-type]


def nothing(data: bytes, chance: random.Random) -> bytes:
    """An empty file, or one of zeros."""
    return bytes(chance.choice((0, 1, len(data))))


def odd_word(data: bytes, chance: random.Random) -> bytes:
    """A number or a name in a text is another."""
    words = list(_WORD.finditer(data))
    if not words:
        return data
    word = chance.choice(words)
    return data[: word.start()] + chance.choice(_ODD_TEXTS).encode() + data[word.end() :]


def odd_lines(data: bytes, chance: random.Random) -> bytes:
    """Lines lost, doubled or in another order."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at = chance.randrange(len(lines))
    how = chance.randrange(4)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, lines[at])
    elif how == 2:
        chance.shuffle(lines)
    else:
        lines[at] = lines[at].rstrip(b"\n") + lines[at]
    return b"".join(lines)


def deep(data: bytes, chance: random.Random) -> bytes:
    """Brackets without end."""
    at = chance.choice((0, len(data), data.find(b"\n") + 1))
    return data[:at] + chance.choice((b"[", b'{"a":')) * 100_000 + data[at:]


def odd_value(data: bytes, chance: random.Random) -> bytes:
    """A value of JSON of another type or size, a key lost or new; in one line of several."""
    lines = data.splitlines() if data.count(b"\n") > 1 and _json(data) is None else [data]
    at = chance.randrange(len(lines))
    value = _json(lines[at])
    if value is None:
        return data
    places = list(_places(value))
    if not places or chance.random() < 0.05:
        value = chance.choice(_ODD_VALUES)
    else:
        holder, key = chance.choice(places)
        if chance.random() < 0.15:
            del holder[key]
        elif chance.random() < 0.1 and isinstance(holder, dict):
            holder[chance.choice(("", "\0", "new", "__class__", "x" * 3000))] = holder[key]
        else:
            holder[key] = chance.choice(_ODD_VALUES)
    lines[at] = json.dumps(value).encode()
    return b"\n".join(lines) + b"\n" * (len(lines) > 1)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _places(value: Any) -> Iterable[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _stretch(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 7, 64, 512, 4096)))


def _replaced(
    data: bytes,
    chance: random.Random,
    new: Callable[[bytes], bytes],
    size: int = 1,
    *,
    near_start: bool = False,
) -> bytes:
    """`size` bytes at any place; lengths mostly stand near the start."""
    if len(data) < size:
        return data
    room = len(data) - size + 1
    at = chance.randrange(min(room, 512) if near_start and chance.random() < 0.7 else room)
    return data[:at] + new(data[at : at + size]) + data[at + size :]


_ANY: tuple[Change, ...] = (
    flip,
    flip,
    change_bytes,
    blank,
    cut,
    cut,
    leave_out,
    double,
    put_in,
    odd_integer,
    odd_integer,
    nothing,
)
_TEXT: tuple[tuple[Change, bool], ...] = ((odd_word, False), (odd_word, False), (odd_lines, False))
_OWN: dict[str, tuple[tuple[Change, bool], ...]] = {
    "json": ((odd_value, False),) * 6 + ((deep, False), *_TEXT),
    "jsonl": ((odd_value, False),) * 6 + ((deep, False), *_TEXT),
    "toml": (*_TEXT, *_TEXT, (deep, False)),
    "csv": (*_TEXT, (deep, False)),
    "request": (*_TEXT,),
    "png": ((formats.odd_png, True), (formats.odd_png_header, True)),
    "tar": ((formats.odd_tar, True),),
    "npy": ((formats.odd_npy, False),),
    "npz": ((formats.odd_npz, True),),
    "zip": ((formats.odd_zip, True),),
    "safetensors": ((formats.odd_safetensors, False),),
}
