"""JSON records as dataclasses: the only reader of our own files, each field validated by type.

A record is a frozen dataclass whose annotations are the contract: types, ranges (`Count`,
`FileName`, ...), and defaults for what older versions did not write. Fields that it does not know
are passed over, so that what a later version adds can still be read here.

msgspec does the checking. It takes dataclasses as they stand, reads JSON three times as fast as
Python's own, and is imported in a few milliseconds; pydantic wants classes of its own, and takes
longer to be imported than `histosyn --help` may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from hpc.errors import DamagedFileError, HistosynError
from hpc.json_toml import (
    LARGEST_LOG_BYTES,
    LARGEST_RECORD_BYTES,
    content_of,
    plain_json,
    plain_lines,
)

Kind = TypeVar("Kind")

# The sum of two of them, such as an offset and a size, is still one that the system can seek to.
LARGEST_COUNT = 1 << 61
_INSIDE = r"^(?!/)(?!(?:[^\0]*/)?\.\.(?:/|$))[^\0]+$"
_NEAR = _INSIDE.replace("^", r"^(?:\.\./)?", 1)
_PLAIN = r"^[^\0]*$"
_TAR = r"^[^/\\\0:]*\.tar\Z"

Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=LARGEST_COUNT)]
ProcessId = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Crc32 = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
# Of a class of tissue.
ClassIndex = Annotated[int, Meta(ge=0, le=255)]
# Microns a pixel.
Resolution = Annotated[float, Meta(gt=0, le=1e6)]
Side = Annotated[int, Meta(ge=1, le=1 << 24)]
Text = Annotated[str, Meta(pattern=_PLAIN)]
# Below the folder that it belongs to: neither absolute nor leading out, and no NUL.
FileName = Annotated[str, Meta(pattern=_INSIDE, max_length=4096)]
# The same, or in a folder beside that folder.
NearFileName = Annotated[str, Meta(pattern=_NEAR, max_length=4096)]
# Beside the file that names it, and no address.
TarName = Annotated[str, Meta(pattern=_TAR, max_length=255)]

_PATTERNS = {
    f"`str` matching regex {_TAR!r}": "a name like shard-000000.tar",
    f"`str` matching regex {_INSIDE!r}": "the name of a file below its folder",
    f"`str` matching regex {_NEAR!r}": "the name of a file below its folder, or in one beside it",
    f"`str` matching regex {_PLAIN!r}": "a text without NUL",
}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The records of a log, as plain data, and what is wrong with it.

    `faults` name file and line. `cut` is the number of bytes at the end that a kill left of a line.
    """

    records: list[dict[str, Any]]
    faults: tuple[str, ...] = ()
    cut: int = 0

    def told(self) -> str:
        """A sentence on the first fault and the number of others; empty without any."""
        more = f" {len(self.faults) - 1} more are damaged." if len(self.faults) > 1 else ""
        return f"{self.faults[0]}.{more}" if self.faults else ""


@dataclass(frozen=True, kw_only=True)
class Records(Generic[Kind]):
    """How records of one kind are read, and what to do about one that is damaged.

    Unless `finite`, numbers may be NaN: as measured, and as Python writes them.
    """

    kind: type[Kind]
    remedy: str
    error: type[HistosynError] = DamagedFileError
    finite: bool = True
    largest_bytes: int = LARGEST_RECORD_BYTES

    def read(self, path: Path) -> Kind:
        """The record in a file; `error` for another content, OSError if it cannot be opened."""
        return self.checked(self.read_plain(path), str(path))

    def read_plain(self, path: Path) -> Any:
        """What a file says, whatever it is; `error` for what is no JSON."""
        try:
            return plain_json(content_of(path, self.largest_bytes), finite=self.finite)
        except ValueError as error:
            raise self.damaged(str(path), str(error)) from None

    def parse(self, data: bytes | str, source: str) -> Kind:
        """The record that JSON text says; `source` is what errors call it."""
        try:
            return self.convert(plain_json(data, finite=self.finite))
        except ValueError as error:
            raise self.damaged(source, str(error)) from None

    def checked(self, plain: Any, source: str) -> Kind:
        """The record in plain data; `source` is what errors call it."""
        try:
            return self.convert(plain)
        except ValueError as error:
            raise self.damaged(source, str(error)) from None

    def convert(self, plain: Any) -> Kind:
        """The record in plain data; ValueError naming field and what was expected."""
        try:
            return msgspec.convert(plain, self.kind)
        except msgspec.ValidationError as error:
            raise ValueError(_in_words(str(error), self.kind)) from None
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    def damaged(self, source: str, what: str) -> HistosynError:
        """The error for a record of this kind that is not as it was written."""
        return self.error(f"{source} is damaged ({what}). {self.remedy}")

    def read_lines(self, path: Path) -> Lines:
        """The records of a log, one a line. `error` if it is too large, OSError as `read`."""
        try:
            data = content_of(path, LARGEST_LOG_BYTES)
        except ValueError as error:
            raise self.damaged(str(path), str(error)) from None
        plain = plain_lines(data) if data.endswith(b"\n") else None
        if plain is not None and all(map(self._is_sound, plain)):
            return Lines(records=plain)
        return self._line_by_line(data, path)

    def require_sound(self, lines: Lines) -> list[dict[str, Any]]:
        """The records; `error`, naming the first fault, if not all of them are sound."""
        if lines.faults:
            raise self.error(f"{lines.told()} {self.remedy}")
        return lines.records

    def _is_sound(self, plain: Any) -> bool:
        try:
            msgspec.convert(plain, self.kind)
        except (msgspec.ValidationError, RecursionError):
            return False
        return True

    def _line_by_line(self, data: bytes, path: Path) -> Lines:
        *whole, last = data.split(b"\n")
        records, faults, cut = [], [], 0
        for number, line in enumerate([*whole, last], 1):
            if not line.strip():
                continue
            try:
                plain = plain_json(line, finite=self.finite)
                self.convert(plain)
                records.append(plain)
            except ValueError as error:
                if number > len(whole):
                    cut = len(last)
                else:
                    faults.append(f"{path}, line {number}, is damaged ({error})")
        return Lines(records=records, faults=tuple(faults), cut=cut)


def _in_words(message: str, kind: Any) -> str:
    """`step: expected a whole number, got a text` for what msgspec says of types."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None
    what, place = match["what"], (match["place"] or "").removeprefix(".")
    for pattern, words in _PATTERNS.items():
        what = what.replace(pattern, words)
    what = re.sub("`([^`]*)`", _type_in_words, what)
    what = what.replace("Object missing required field", "it lacks")
    what += "".join(_choices(kind, place)) if what.startswith("Invalid enum value") else ""
    return f"{place}: {what[0].lower()}{what[1:]}" if place else f"{what[0].lower()}{what[1:]}"


def _type_in_words(match: re.Match[str]) -> str:
    return " or ".join(_TYPES.get(name, name) for name in match[1].split(" | "))


def _choices(kind: Any, place: str) -> Iterator[str]:
    """What a field of the record itself may be, if it is one of a few words."""
    hint = get_type_hints(kind).get(place) if isinstance(kind, type) else None
    if get_origin(hint) is Literal:
        yield f", expected one of {', '.join(map(str, get_args(hint)))}"
