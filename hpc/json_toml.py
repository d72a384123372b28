"""Parsing JSON and TOML from untrusted files into plain data: the only parsers of either.

What cannot be read is a ValueError that says why, whatever the text is: no parser may run out of
stack, of memory or of patience. `hpc.records` says what the data must be and names the file.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from hpc.files import open_regular_file

# The index of ten thousand shards takes 2 MB, the manifest of a million tiles 0.5 GB.
LARGEST_RECORD_BYTES = 256 << 20
LARGEST_LOG_BYTES = 4 << 30
LARGEST_TOML_BYTES = 4 << 20
# Brackets within brackets. A checkpoint's state, which nests most, has some thirty.
DEEPEST_NESTING = 100
# Whole numbers in TOML, as its standard has it.
_INT64 = range(-(1 << 63), 1 << 63)
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BUT_BRACKETS_OF_LINES = bytes(set(range(256)) - set(b"[]{}\n"))
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# a.b.c. ...: tables within tables as well, and the time to read them grows with the square.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:{_PART}){{{DEEPEST_NESTING}}}""")
_DECODER = msgspec.json.Decoder()


def content_of(path: Path, largest_bytes: int = LARGEST_RECORD_BYTES) -> bytes:
    """The bytes of a file; ValueError for more than are allowed, OSError for what is no file."""
    with open_regular_file(path) as file:
        # Python makes room for as many bytes as it is asked for, not as there are.
        size = os.fstat(file.fileno()).st_size
        data = file.read(min(size, largest_bytes) + 1)
    if len(data) > largest_bytes:
        raise ValueError(f"it is larger than {largest_bytes >> 20} MiB")
    return data


def plain_json(data: bytes | str, *, finite: bool = True) -> Any:
    """What a JSON text says. Unless `finite`, numbers may be NaN and infinite, as Python has them.

    Raises ValueError for what is no JSON, and for what is nested too deeply.
    """
    data = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    _require_shallow(data)
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Half surrogates, by which Python writes names that are no UTF-8, and what is not finite
        # are for Python's own; and it tells in which line and column something is wrong.
        return _python_json(data, finite)
    except RecursionError:
        raise _too_deep() from None


def plain_lines(data: bytes) -> list[Any] | None:
    """What each line of JSON lines says; None if that cannot be said of all of them at once."""
    nested = data.translate(None, _BUT_BRACKETS_OF_LINES)
    if max(map(len, nested.split(b"\n"))) > DEEPEST_NESTING:
        return None
    try:
        return _DECODER.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def plain_toml(data: bytes | str) -> dict[str, Any]:
    """What a TOML text says. Raises ValueError for what is no TOML, or out of the ordinary."""
    text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    if len(text) > LARGEST_TOML_BYTES:
        raise ValueError(f"it is larger than {LARGEST_TOML_BYTES >> 20} MiB")
    if _LONG_KEY.search(text):
        raise _too_deep()
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _require_ordinary(found)
    return found


def _python_json(data: bytes, finite: bool) -> Any:
    try:
        if not finite:
            return json.loads(data.decode())
        return json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite_float)
    except RecursionError:
        raise _too_deep() from None


def _require_shallow(data: bytes) -> None:
    brackets = data.translate(None, _BUT_BRACKETS)
    if len(brackets) <= DEEPEST_NESTING:
        return
    # Names may hold brackets, too.
    brackets = _STRING.sub(b"", data).translate(None, _BUT_BRACKETS)
    for _ in range(DEEPEST_NESTING):
        before, brackets = len(brackets), _without_innermost(brackets)
        if not brackets or len(brackets) == before:
            break
    if len(brackets) > DEEPEST_NESTING:
        raise _too_deep()


def _without_innermost(brackets: bytes) -> bytes:
    """One level less of what is closed."""
    return re.sub(rb"\[\]|\{\}", b"", brackets)


def _require_ordinary(found: dict[str, Any]) -> None:
    """Parsers of other languages could read it, too, and no walk through it runs out of stack."""
    level: list[Any] = [found]
    for _ in range(DEEPEST_NESTING):
        if any(type(node) is int and node not in _INT64 for node in level):
            raise ValueError("a whole number has more than 64 bits")
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST_NESTING} deep")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number here")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number here")
    return number
