"""Checkpoints: folders that are written atomically, verified by checksums, and hold no code.

A checkpoint `step-00001000/` holds `tensors.safetensors`, `state.json` (everything else, with
placeholders where tensors belong) and `checkpoint.json`, the commit record: the sha256 of the
others, written when they are on the disk. The folder is written under a temporary name, flushed
and renamed (see `hpc.files.atomic_folder`).

A checkpoint may be one to resume from only: what users look at, and what follows from the rest, is
not in it yet, because there was no time for that. Its commit record says so.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch

from hpc.deferred_writes import is_full_disk
from hpc.errors import DamagedFileError, FullDiskError, HistosynError, InputError
from hpc.files import atomic_folder, make_folder, sha256_of_bytes, sha256_of_file, sync_file
from hpc.json_toml import content_of, plain_json
from hpc.records import Count, Records, Text
from hpc.run_folder_names import RECORD
from hpc.tensor_tree import Snapshot, take_snapshot, unflatten, write_tensors
from hpc.weights import WEIGHTS_DAMAGE, read_tensors

logger = logging.getLogger("histosyn")

FORMAT_VERSION = 1
_TENSORS = "tensors.safetensors"
_STATE = "state.json"
_FILES = (_TENSORS, _STATE)
_ASIDE = "damaged-"
_RESUME_ONLY = "resume_only"
_NAME = re.compile(r"step-(\d{8,})")
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Commit:
    """The commit record."""

    format_version: Count
    sha256: dict[str, Text]
    resume_only: bool = False


_COMMITS = Records(kind=_Commit, remedy="Take another checkpoint, or a copy of this one.")


def checkpoint_path(root: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return root / f"step-{step:08d}"


def save(folder: Path, state: dict[str, Any], *, resume_only: bool = False) -> None:
    """Write a tree of dicts, lists, tensors and JSON scalars as one atomic folder.

    Raises FullDiskError or HistosynError if the disk does not take it; nothing is left of it then.
    """
    write(folder, take_snapshot(state), resume_only=resume_only)


def write(folder: Path, snapshot: Snapshot, *, resume_only: bool = False) -> None:
    """`save` what was copied before."""
    try:
        make_folder(folder.parent)
        state = json.dumps(snapshot.skeleton).encode()
        _require_room(folder.parent, snapshot.tensor_bytes + len(state))
        with atomic_folder(folder) as temporary:
            (temporary / _STATE).write_bytes(state)
            checksums = {
                _TENSORS: write_tensors(temporary / _TENSORS, snapshot.tensors),
                _STATE: sha256_of_bytes(state),
            }
            for name in _FILES:
                sync_file(temporary / name)
            record = {"format_version": FORMAT_VERSION, "sha256": checksums}
            record |= {_RESUME_ONLY: True} if resume_only else {}
            (temporary / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
    except OSError as error:
        full = is_full_disk(error)
        raise (FullDiskError if full else HistosynError)(
            f"{folder} could not be written: {error.strerror or error}. Older checkpoints are as "
            f"they were. {'Make room' if full else 'Check the rights and the disk'}, and run the "
            "same command again."
        ) from error


def load(folder: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint back. Raises DamagedFileError naming the file that isn't as written."""
    try:
        verify(folder)
    except DamagedFileError as error:
        raise DamagedFileError(f"{error} Take another checkpoint, or a copy of this one.") from None
    try:
        tensors = read_tensors(folder / _TENSORS, device)
        return _state_of(folder, tensors)
    except (*WEIGHTS_DAMAGE, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(
            f"{folder} has its checksums, but histosyn did not write it: {_TENSORS} or {_STATE} "
            f"has another format ({error!r}). Remove it."
        ) from error


def without_tensors(folder: Path) -> dict[str, Any]:
    """What a checkpoint holds besides its tensors, unproven, with None for each of them.

    Raises DamagedFileError if it cannot be read.
    """
    try:
        return _state_of(folder, defaultdict(lambda: None))
    except PermissionError:
        raise
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{folder / _STATE} cannot be read ({error!r}).") from error


def verify(folder: Path) -> None:
    """Raise DamagedFileError unless every file of the checkpoint is there and has its checksum.

    Raises InputError for the format of another version: whole, but not to be read here.
    """
    for name, checksum in _checksums(folder).items():
        path = folder / name
        if not path.is_file():
            raise DamagedFileError(f"{path} is missing.")
        try:
            found = sha256_of_file(path)
        except PermissionError:
            raise
        except OSError as error:
            raise DamagedFileError(f"{path} cannot be read: {error.strerror}.") from error
        if found != checksum:
            raise DamagedFileError(
                f"{path} has not the sha256 that {RECORD} says: one of them was altered or damaged."
            )


def sha256_of_checkpoint(folder: Path) -> str:
    """What tells this checkpoint from any other: the sha256 of its commit record."""
    return sha256_of_file(folder / RECORD)


def is_resume_only(folder: Path) -> bool:
    """Whether a checkpoint that is valid was written to resume from, and for nothing else."""
    return _COMMITS.read(folder / RECORD).resume_only


def steps(root: Path) -> dict[int, Path]:
    """The checkpoints below `root` by step, oldest first, valid or not."""
    found = {
        int(match[1]): path
        for path in (root.iterdir() if root.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and path.is_dir()
    }
    return dict(sorted(found.items()))


def newest_valid(
    root: Path, *, set_aside: bool = False, also_resume_only: bool = True
) -> Path | None:
    """The newest checkpoint that proves whole; None if there has never been one.

    Those to resume from only may be passed over. With `set_aside`, damaged ones that are newer are
    renamed to damaged-*, which only who writes checkpoints into `root` may ask for. Raises
    DamagedFileError if there are only damaged ones: to start anew throws away what was learnt, so
    somebody has to ask for it by removing them.
    """
    damaged: list[Path] = []
    for path in reversed(steps(root).values()):
        try:
            verify(path)
        except DamagedFileError as error:
            logger.warning("%s The checkpoint is passed over.", error)
            damaged.append(path)
            continue
        if not also_resume_only and is_resume_only(path):
            continue
        for broken in damaged if set_aside else ():
            _set_aside(broken)
        return path
    damaged += [path for path in root.glob(f"{_ASIDE}step-*") if path.is_dir()]
    if damaged:
        raise DamagedFileError(
            f"{root} holds no checkpoint that is whole: {len(damaged)} damaged, such as "
            f"{damaged[-1].name}. Restore one from a copy, or remove them all to start anew."
        )
    return None


def prune(root: Path, *, keep_last: int, keep_every: int | None = None) -> None:
    """Delete all but the last `keep_last` checkpoints and those of every `keep_every`th step.

    The last one that is not to resume from only stays as well: it is what users look at.
    """
    found = steps(root)
    newest_first = reversed(found.values())
    for_users = next((path for path in newest_first if not _said_resume_only(path)), None)
    for step, path in list(found.items())[:-keep_last]:
        if path != for_users and not (keep_every and step % keep_every == 0):
            # Renamed first: a kill in the middle must not leave what looks like a damaged one.
            doomed = path.with_name(f".{path.name}.pruned.tmp")
            path.rename(doomed)
            _delete(doomed)


def _said_resume_only(folder: Path) -> bool:
    """Of a checkpoint that may be damaged."""
    try:
        return is_resume_only(folder)
    except (OSError, DamagedFileError):
        return False


def clear_leftovers(root: Path) -> None:
    """Delete what kills left of unfinished checkpoints. Only for who writes them into `root`."""
    for leftover in root.glob(".step-*.tmp"):
        _delete(leftover)


def _delete(folder: Path) -> None:
    """Or leave it for the next time: NFS keeps files that somebody is reading."""
    shutil.rmtree(folder, ignore_errors=True)


def _set_aside(path: Path) -> None:
    names = (f"{_ASIDE}{path.name}{f'.{n}' if n > 1 else ''}" for n in count(1))
    aside = next(free for name in names if not (free := path.with_name(name)).exists())
    path.rename(aside)
    logger.warning("%s was set aside as %s.", path, aside.name)


def _require_room(root: Path, needed_bytes: int) -> None:
    """Asked beforehand, so that a save that must fail takes no room from the run's other files."""
    usage = shutil.disk_usage(root)
    if usage.total and usage.free < needed_bytes:
        raise OSError(
            errno.ENOSPC,
            f"it takes {needed_bytes / _MIB:.1f} MiB, and {usage.free / _MIB:.1f} MiB are free",
        )


def _checksums(folder: Path) -> dict[str, str]:
    """What the commit record says."""
    try:
        record = _COMMITS.read(folder / RECORD)
        if record.format_version != FORMAT_VERSION:
            raise InputError(
                f"{folder} has checkpoint format {record.format_version}, this histosyn reads "
                f"{FORMAT_VERSION}. Use the version that wrote it."
            )
        return {name: record.sha256[name] for name in _FILES}
    except PermissionError:
        raise
    except (OSError, KeyError, DamagedFileError) as error:
        raise DamagedFileError(f"{folder / RECORD} is missing or damaged ({error}).") from error


def _state_of(folder: Path, tensors: Mapping[str, torch.Tensor | None]) -> dict[str, Any]:
    """What its `state.json` says, with these tensors. Raises ValueError and the like."""
    skeleton = plain_json(content_of(folder / _STATE), finite=False)
    state = unflatten(skeleton, tensors)
    if not isinstance(state, dict):
        raise ValueError(f"{_STATE} holds no table")
    return state
