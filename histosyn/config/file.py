"""Config dataclasses from TOML files, read strictly, and written back.

An unknown key, a wrong type or a value out of range is an error that names file and field.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from histosyn.config.synonyms import settings_meant
from hpc.errors import ConfigError, InputError
from hpc.files import require_file
from hpc.json_toml import LARGEST_TOML_BYTES, content_of, plain_toml
from hpc.paths import AnyPath, as_path
from hpc.terminal_text import readable

Section = TypeVar("Section")
_MOST_MEANT = 2
_LARGEST_FLOAT = 1 << 1000

# Characters that TOML wants escaped in a string, and half surrogates, for which it has no form.
_UNQUOTED = re.compile('["\\\\\x00-\x1f\x7f\ud800-\udfff]')


def load_toml(path: AnyPath) -> dict[str, Any]:
    """Read a TOML file; raises InputError or ConfigError naming it."""
    path = as_path(path, "configuration")
    try:
        file = require_file(path, "configuration")
        return plain_toml(content_of(file, LARGEST_TOML_BYTES))
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Correct the file.") from error


def from_dict(kind: type[Section], data: dict[str, Any], source: str, prefix: str = "") -> Section:
    """Build a config dataclass from plain data, strictly.

    Raises ConfigError naming `source` and the field: an unknown key (with the nearest name), a
    missing one, a wrong type or a value out of range.
    """
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for key, value in data.items():
        _check_known(key, known, source, prefix)
        values[key] = _convert(hints[key], value, source, prefix + key)
    missing = [
        name
        for name, item in known.items()
        if name not in values
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{source}: {prefix}{missing[0]} is missing. Add it.")
    try:
        return kind(**values)
    except InputError as error:
        raise ConfigError(f"{source}: {error}") from error


def check_table(kind: type, data: dict[str, Any], source: str, prefix: str = "") -> None:
    """Raise ConfigError for an unknown key or a wrong type in a part of a configuration."""
    hints = get_type_hints(kind)
    for key, value in data.items():
        _check_known(key, hints, source, prefix)
        if is_dataclass(hints[key]) and isinstance(value, dict):
            check_table(hints[key], value, source, f"{prefix}{key}.")
        else:
            _convert(hints[key], value, source, prefix + key)


def as_plain(config: Any) -> dict[str, Any]:
    """A config as nested dicts of TOML values; fields that are None are left out."""
    return _plain(asdict(config))


def as_toml(config: Any) -> str:
    """A config as TOML text that `from_dict` reads back as the same config."""
    lines: list[str] = []
    for name, value in as_plain(config).items():
        if isinstance(value, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_literal(v)}" for key, v in value.items())]
        else:
            lines.insert(0, f"{name} = {_literal(value)}")
    return "\n".join(lines).strip() + "\n"


def as_literal(value: Any) -> str:
    """One value as it stands in a TOML file."""
    return _literal(value)


def described(kind: Any) -> str:
    """What a value of a field must be, in words; None left aside."""
    return " or ".join(_describe(option) for option in _options(kind) if option is not type(None))


def differing_fields(old: Any, new: Any) -> list[str]:
    """Dotted names of the fields in which two configs differ."""
    flat_old, flat_new = _flat(as_plain(old)), _flat(as_plain(new))
    return sorted(name for name in flat_old | flat_new if flat_old.get(name) != flat_new.get(name))


def _check_known(key: str, known: Iterable[str], source: str, prefix: str) -> None:
    if key not in known:
        here = {f"{prefix}{name}" for name in known}
        near = settings_meant(key, here.__contains__)[:_MOST_MEANT] or [
            f"{prefix}{name}" for name in get_close_matches(key, known, n=1)
        ]
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}."
        raise ConfigError(f"{source}: unknown key {prefix}{key}; {hint}")


def _convert(kind: Any, value: Any, source: str, name: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{source}: {name} = {value!r} must be a table.")
        return from_dict(kind, value, source, f"{name}.")  # type: ignore[arg-type]
    for option in _options(kind):
        if get_origin(option) is Literal and value in get_args(option):
            return value
        if option is Path and isinstance(value, str | os.PathLike):
            return Path(value)
        if option is float and _is_number(value):
            return float(value)
        if get_origin(option) is tuple and isinstance(value, list):
            (kind_of_item, _) = get_args(option)
            return tuple(_convert(kind_of_item, item, source, name) for item in value)
        if isinstance(option, type) and type(value) is option:
            return value
    raise ConfigError(f"{source}: {name} = {value!r} must be {described(kind)}.")


def _options(kind: Any) -> tuple[Any, ...]:
    """What a field may be; a choice of words beside None is another kind of union than the rest."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _is_number(value: Any) -> bool:
    """One that can be a float; NaN and what is infinite are for the section to refuse."""
    if type(value) is int:
        return abs(value) < _LARGEST_FLOAT
    return type(value) is float


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"a list, each {_describe(get_args(kind)[0])}"
    if is_dataclass(kind):
        return "a table"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text",
            Path: "a path"}[kind]  # fmt: skip


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if value is not None}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, Path) else node


def _flat(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if "\ud800" <= character <= "\udfff":
        raise ConfigError(
            f"{readable(found.string)!r} holds bytes that are no UTF-8, and cannot be written to a "
            "configuration file. Rename it, or name a link to it."
        )
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{_UNQUOTED.sub(_escaped, value)}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)
