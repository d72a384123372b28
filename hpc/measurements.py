"""What was measured on a kind of processor: once, and kept in the user's cache.

A kind is the processor's model and what holds it to older instructions, the number of threads and
the version of PyTorch. What is damaged or of another kind is measured again; where nothing can be
kept, each process measures for itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path

import torch

from hpc.errors import HistosynError
from hpc.files import write_json
from hpc.json_toml import content_of, plain_json
from hpc.precision import processor
from hpc.user_folders import cache_folder

logger = logging.getLogger("histosyn")

_LARGEST_BYTES = 1 << 16
# Of this process, by kind.
_measured: dict[str, dict[str, float]] = {}


def measured_once(what: str, measure: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """The numbers, by name, that `measure()` gives on this kind of processor.

    `what` names them, and is part of a file's name. No error of the cache is passed on.
    """
    kind = kind_of_processor() | {"what": what}
    key = json.dumps(kind, sort_keys=True)
    if key not in _measured:
        path = _path(what, key)
        kept = None if path is None else _read(path, kind)
        if kept is None:
            kept = dict(measure())
            if path is not None:
                _keep(path, kind, kept)
        _measured[key] = kept
    return _measured[key]


def kind_of_processor() -> dict[str, str | int]:
    """What a measurement holds for."""
    return {
        "processor": str(processor()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def _path(what: str, key: str) -> Path | None:
    try:
        folder = cache_folder()
    except (HistosynError, OSError) as error:
        logger.info("%s is measured at each start: %s", what, error)
        return None
    digest = hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()[:16]
    return folder / "measurements" / f"{what}-{digest}.json"


def _read(path: Path, kind: Mapping[str, object]) -> dict[str, float] | None:
    """None for what is not there, or not what was written."""
    try:
        found = plain_json(content_of(path, _LARGEST_BYTES))
    except (OSError, ValueError, HistosynError):
        return None
    numbers = found.get("measured") if isinstance(found, dict) else None
    if not isinstance(numbers, dict) or not numbers or found.get("kind") != kind:
        return None
    if not all(type(value) in (int, float) and isfinite(value) for value in numbers.values()):
        return None
    return {name: float(value) for name, value in numbers.items()}


def _keep(path: Path, kind: Mapping[str, object], measured: Mapping[str, float]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"kind": kind, "measured": measured})
    except (HistosynError, OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        logger.info("%s is measured again at the next start: %s: %s", path.stem, path, reason)
