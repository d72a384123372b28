"""`sweep.json`: the sweep that a folder holds, as it was begun."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from histosyn.config.earlier import training_as_begun
from hpc.errors import InputError
from hpc.records import Records, Text
from hpc.run_folder_names import SWEEP
from tune.plan.config import Sweep, sweep_from_dict

# Beside the sweep: what the validation shards hold.
VALIDATION_SHA256 = "validation_sha256"


@dataclass(frozen=True, kw_only=True)
class _Saved:
    """What `sweep.json` says at least; the rest is for `sweep_from_dict` to judge."""

    train: dict[str, Any]
    search: dict[str, Any]
    sweep: dict[str, Any]
    start: list[dict[str, Any]] | None = None
    objective: dict[str, dict[str, Any]] | None = None
    validation_sha256: Text | None = None


SAVED = Records(
    kind=_Saved, remedy="Restore it from a copy, or choose another sweep.folder.", finite=False
)


def read_saved(folder: Path) -> Sweep:
    """The sweep of a folder, which may lie elsewhere than where it was begun.

    Raises InputError if there is none, DamagedFileError or ConfigError if it cannot be read.
    """
    if not (folder / SWEEP).is_file():
        raise InputError(f"{folder} holds no sweep: there is no {SWEEP}. Check the path.")
    plain = saved_plain(folder / SWEEP)
    plain.pop(VALIDATION_SHA256, None)
    sweep = as_begun(plain, folder / SWEEP)
    return replace(sweep, sweep=replace(sweep.sweep, folder=folder.absolute()))


def saved_plain(path: Path) -> dict[str, Any]:
    """What the file says, if it is one of ours."""
    plain: dict[str, Any] = SAVED.read_plain(path)
    SAVED.checked(plain, str(path))
    return plain


def as_begun(plain: dict[str, Any], path: Path) -> Sweep:
    """The sweep; what an older version did not know of, it was begun without."""
    begun = plain | {"train": training_as_begun(plain["train"])}
    return sweep_from_dict(begun, str(path), earlier="objective" not in plain)
