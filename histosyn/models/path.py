"""Whether a path is a model folder, a checkpoint or a run folder; nothing is loaded for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hpc.errors import InputError
from hpc.files import open_regular_file
from hpc.paths import near_names
from hpc.run_folder_names import CHECKPOINTS, RECORD

WEIGHTS, CONFIG = "model.safetensors", "config.json"
# What `kind` in the configuration of a segmenter says; a generator's has no `kind`.
SEGMENTER = "segmenter"
_NAMED = 3
Kind = Literal["model", "checkpoint", "run"]


def model_kind(path: Path) -> Kind:
    """Whether `path` is a model folder, a checkpoint or a run folder; InputError for all else."""
    if (path / WEIGHTS).is_file():
        return "model"
    if (path / RECORD).is_file():
        return "checkpoint"
    if (path / CHECKPOINTS).is_dir():
        return "run"
    kinds = f"a model folder ({WEIGHTS}), a checkpoint ({RECORD}) or a run folder ({CHECKPOINTS}/)"
    raise InputError(f"{path} is no model: {_fault(path)}. Give {kinds}.")


def runs_in(path: Path) -> str:
    """What a folder of runs, given in place of one of them, holds: words, or none."""
    try:
        found = sorted(
            each for each in path.iterdir()
            if (each / CHECKPOINTS).is_dir() or (each / WEIGHTS).is_file()
        )  # fmt: skip
    except OSError:
        return ""
    if not found:
        return ""
    verb = "is" if len(found) == 1 else "are"
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f", but there {verb} {', '.join(map(str, found[:_NAMED]))}{more} in it"


def segmenter_folder(path: Path) -> Path:
    """The model folder of a segmenter, itself or in its run's folder; InputError for all else."""
    for folder in (path / "model", path):
        if (folder / WEIGHTS).is_file():
            return folder
    raise InputError(
        f"{path} is no segmenter: {_unready(path) or _fault(path)}. Give a model folder "
        f"({WEIGHTS}), or the folder of a finished run of `histosyn eval segmenter train`."
    )


def _unready(path: Path) -> str | None:
    """What holds checkpoints, and so no segmenter yet."""
    if (path / RECORD).is_file():
        return "it is a checkpoint"
    if not (path / CHECKPOINTS).is_dir():
        return None
    return f"it is {_run_of(path)} that has made no model yet"


def _run_of(path: Path) -> str:
    try:
        with open_regular_file(path / "config.toml") as file:
            generates = b"\n[generator]" in file.read(1 << 20)
    except OSError:
        return "the folder of a run"
    return f"the folder of a run of `{'train' if generates else 'eval segmenter train'}`"


def _fault(path: Path) -> str:
    if path.is_dir():
        return f"the folder holds none of its files{runs_in(path)}"
    if path.exists():
        return "it is a file, not a folder"
    return f"it does not exist{near_names(path)}"
