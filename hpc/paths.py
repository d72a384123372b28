"""Paths that users give: expansion of ~ and $NAMES, and suggestions for misspelled names."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from hpc.errors import ConfigError, InputError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")
# So many names of a folder are compared with one that is not there.
_LOOKED_THROUGH = 10_000


AnyPath = str | os.PathLike[str]


def as_path(value: AnyPath, what: str) -> Path:
    """A path as a Path; InputError, naming `what`, for anything else than a text or path."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise InputError(f"{what}: {value!r} is no path. Give a text or a pathlib.Path.")
    text = os.fspath(value)
    if not text or "\0" in text:
        raise InputError(f"{what}: {text!r} is no path. Give the name of a file or folder.")
    return Path(value)


def expanded_path(value: AnyPath, what: str) -> Path:
    """`value` with ~ and $NAMES replaced; ConfigError, naming `what`, for one that is not set."""
    text = str(as_path(value, what))
    for match in _VARIABLE.finditer(text):
        name = match[1] or match[2]
        if not os.environ.get(name):
            raise ConfigError(
                f"{what} = {text}: the environment variable {name} is not set. Set it, or write "
                "out what it stands for."
            )
    try:
        return Path(
            _VARIABLE.sub(lambda match: os.environ[match[1] or match[2]], text)
        ).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{what} = {text}: {error}. Write the folder out.") from error


def settle_paths(config: Any, section: str, *, later: tuple[str, ...] = ()) -> None:
    """In a frozen dataclass, make the settings that are paths Paths, with ~ and $NAMES replaced.

    Those named in `later` stay as they were written, for they mean something else on each node.
    """
    for item in fields(config):
        value = getattr(config, item.name)
        if "Path" not in str(item.type) or value is None:
            continue
        what = f"{section}.{item.name}"
        settle = as_path if item.name in later else expanded_path
        many = isinstance(value, list | tuple)
        settled = tuple(settle(one, what) for one in value) if many else settle(value, what)
        object.__setattr__(config, item.name, settled)


def near_names(path: Path) -> str:
    """ ", but there is NAME" for a path that does not exist; nothing if none there is like it."""
    parent = next((folder for folder in path.parents if folder.is_dir()), None)
    if parent is None:
        return ""
    missing = path.relative_to(parent).parts[0]
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in islice(entries, _LOOKED_THROUGH)]
    except OSError:
        return ""
    near = get_close_matches(missing, names, n=2, cutoff=0.7)
    if near:
        return f", but there is {' and '.join(str(parent / name) for name in near)}"
    return f", nor does {parent / missing}" if parent / missing != path else ""
