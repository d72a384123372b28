"""Checkpoints: folders that are whole, proven by checksums, and hold no code.

A checkpoint `step-00001000/` holds `tensors.safetensors`, `state.json` (everything else, with
placeholders where tensors belong) and `checkpoint.json`, the commit record: the sha256 of the
others. The folder is written under a temporary name and renamed (see `hpc.files.atomic_folder`).
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hpc.errors import DamagedFileError, HistosynError, InputError
from hpc.files import atomic_folder, sha256_of_file

logger = logging.getLogger("histosyn")

FORMAT_VERSION = 1
RECORD = "checkpoint.json"
_TENSORS = "tensors.safetensors"
_STATE = "state.json"
_FILES = (_TENSORS, _STATE)
_ASIDE = "damaged-"
_NAME = re.compile(r"step-(\d{8,})")


def checkpoint_path(root: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return root / f"step-{step:08d}"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write a tree of dicts, lists, tensors and JSON scalars as one atomic folder.

    Raises HistosynError if the disk does not take it; nothing is left of it then.
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = _take_tensors(state, "", tensors)
    try:
        with atomic_folder(folder) as temporary:
            save_file(tensors, temporary / _TENSORS)
            (temporary / _STATE).write_text(json.dumps(skeleton), encoding="utf-8")
            record = {
                "format_version": FORMAT_VERSION,
                "sha256": {name: sha256_of_file(temporary / name) for name in _FILES},
            }
            (temporary / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise HistosynError(
            f"{folder} could not be written: {error}. Older checkpoints are as they were. Make "
            "room or repair the disk, and run the same command again."
        ) from error


def load(folder: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint back. Raises DamagedFileError naming the file that isn't as written."""
    verify(folder)
    tensors = load_file(folder / _TENSORS, device=str(device))
    skeleton = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    return _put_tensors(skeleton, tensors)


def verify(folder: Path) -> None:
    """Raise DamagedFileError unless every file of the checkpoint is there and has its checksum.

    Raises InputError for the format of another version: whole, but not to be read here.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        version = record["format_version"]
        if version != FORMAT_VERSION:
            raise InputError(
                f"{folder} has checkpoint format {version}, this histosyn reads {FORMAT_VERSION}. "
                "Use the version that wrote it."
            )
        checksums = {name: record["sha256"][name] for name in _FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{folder / RECORD} is missing or damaged ({error!r}).") from error
    for name, checksum in checksums.items():
        path = folder / name
        if not path.is_file():
            raise DamagedFileError(f"{path} is missing.")
        if sha256_of_file(path) != checksum:
            raise DamagedFileError(f"{path} was altered or damaged: its sha256 differs.")


def steps(root: Path) -> dict[int, Path]:
    """The checkpoints below `root` by step, oldest first, valid or not."""
    found = {
        int(match[1]): path
        for path in (root.iterdir() if root.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and path.is_dir()
    }
    return dict(sorted(found.items()))


def newest_valid(root: Path) -> Path | None:
    """The newest checkpoint that proves whole; None if there has never been one. Changes nothing.

    Raises DamagedFileError if there are only damaged ones: to start anew throws away what was
    learnt, so somebody has to ask for it by removing them.
    """
    damaged = [path for path in root.glob(f"{_ASIDE}step-*") if path.is_dir()]
    for path in reversed(steps(root).values()):
        try:
            verify(path)
        except DamagedFileError as error:
            logger.warning("%s It is passed over.", error)
            damaged.append(path)
        else:
            return path
    if damaged:
        raise DamagedFileError(
            f"{root} holds no checkpoint that is whole: {len(damaged)} damaged, such as "
            f"{damaged[-1].name}. Restore one from a copy, or remove them all to start anew."
        )
    return None


def set_aside_damaged(root: Path) -> None:
    """Rename damaged checkpoints to damaged-*. Only for who writes checkpoints into `root`."""
    for path in steps(root).values():
        try:
            verify(path)
        except DamagedFileError:
            aside = path.with_name(f"{_ASIDE}{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def prune(root: Path, *, keep_last: int, keep_every: int | None = None) -> None:
    """Delete all but the last `keep_last` checkpoints and those of every `keep_every`th step.

    What kills left of unfinished ones goes as well: only who writes checkpoints may call this.
    """
    for leftover in root.glob(".step-*.tmp"):
        shutil.rmtree(leftover)
    found = steps(root)
    for step, path in list(found.items())[:-keep_last]:
        if not (keep_every and step % keep_every == 0):
            shutil.rmtree(path)


def _take_tensors(node: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Move the tensors of a tree into `tensors`; returns the tree as JSON with their names."""
    if isinstance(node, torch.Tensor):
        # Numbered, because paths can coincide: the keys 1 and "1", or "a/b" and "b" within "a".
        name = f"{len(tensors)}{name}"
        tensors[name] = node.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(node, dict):
        for key in node:
            if not isinstance(key, str | int):
                raise TypeError(f"A checkpoint cannot hold the key {key!r} (at {name}).")
        # Pairs, because JSON would turn the optimizers' integer keys into strings.
        pairs = [
            [key, _take_tensors(value, f"{name}/{key}", tensors)] for key, value in node.items()
        ]
        return {"dict": pairs}
    if isinstance(node, list | tuple):
        return {"list": [_take_tensors(v, f"{name}/{i}", tensors) for i, v in enumerate(node)]}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"A checkpoint cannot hold {type(node).__name__} (at {name}).")


def _put_tensors(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _put_tensors(value, tensors) for key, value in content}
    return [_put_tensors(value, tensors) for value in content]
