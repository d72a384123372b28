"""What is fuzzed: a file in a folder of sound ones, and who reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What differs from run to run, and the digest of what was read: neither is a result.
_PASSING = frozenset({"seconds", "versions", "version", "silent_since", "eta_seconds", "content"})


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`file` of `place` is damaged, then `read` is called in a copy of the place.

    What `read` returns is compared with what it returned for the sound file. `sealed` says when a
    checksum tells a change: "outside" (of the file: always), "inside" (unless the mutation mended
    it), or "" (any valid result is right). `weight` is the share of inputs.
    """

    name: str
    place: str
    file: str
    kind: str
    read: Callable[[], object]
    sealed: str = ""
    weight: int = 2


def command(*tokens: str) -> None:
    """What `histosyn` does; SystemExit carries an exit code that is not 0."""
    from launch.cli import main

    main(list(tokens))


def from_json(*tokens: str, option: str = "--json") -> object:
    """What a command writes as JSON."""
    command(*tokens, option, "found.json")
    return without_passing(json.loads(Path("found.json").read_text()))


def without_passing(value: Any) -> Any:
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        return {k: without_passing(v) for k, v in value.items() if k not in _PASSING}
    if isinstance(value, list):
        return [without_passing(item) for item in value]
    return value


def digest(*arrays: Any) -> str:
    """Of arrays: shapes, types and bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    return found.hexdigest()


def pixels(folder: str | Path) -> dict[str, str]:
    """Of each PNG in a folder: its pixels."""
    import numpy as np
    from PIL import Image

    return {
        path.name: digest(np.array(Image.open(path))) for path in sorted(Path(folder).glob("*.png"))
    }
