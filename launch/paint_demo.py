"""The model that `histosyn paint --demo` paints with: made once, then kept.

That of `make demo` if it is in the current folder, else a small one that is trained on phantom
tissue, in a few minutes on two cores, and kept in the user's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from histosyn.phantom import SCHEMA
from histosyn.sources.pairs import images_by_key
from hpc.errors import HistosynError
from hpc.locks import locked
from hpc.user_folders import cache_folder
from launch.processes import child_answers
from launch.terminal.console import say

_OF_MAKE_DEMO = Path("runs/demo/run/model")
_STEPS = 160
_PROCESSES = 2
_TILES = 160
_SIZE = 128
_EXAMPLES, _EXAMPLE_SIZE = 6, 256


def demo_model() -> Path:
    """The folder of a model of phantom tissue; trains it if there is none yet.

    A training that was interrupted goes on. Raises HistosynError if it fails.
    """
    if (_OF_MAKE_DEMO / "model.safetensors").is_file():
        return _OF_MAKE_DEMO
    folder = _cache()
    model = folder / "run" / "model"
    if not (model / "model.safetensors").is_file():
        say(f"Training a small model for the demo, once; it is kept in {folder}.")
        folder.mkdir(parents=True, exist_ok=True)
        with locked(
            folder / "lock",
            busy=f"Another process is making the demo's model in {folder}. Wait for it.",
            risk="Start only one demo at a time.",
        ):
            _make(folder)
    return model


def demo_labels() -> dict[str, Path]:
    """Phantom label maps to start from, which no training has seen."""
    folder = _cache() / "examples"
    if not (folder / "phantom.csv").is_file():
        _run("phantom", folder, "--count", _EXAMPLES, "--size", _EXAMPLE_SIZE, "--seed", 1)
    return images_by_key(folder / "labels", "folder of label maps")


def _make(folder: Path) -> None:
    phantom, packed = folder / "phantom", folder / "packed"
    if not (phantom / "phantom.csv").is_file():
        _run("phantom", phantom, "--count", _TILES, "--size", _SIZE)
    if not (packed / "train" / "dataset.json").is_file():
        _run("pack", phantom / "tiles", phantom / "labels", packed, "--schema", SCHEMA,
             "--source-mpp", "1.0")  # fmt: skip
    train = (
        "train", "--processes", _PROCESSES, "--preset", "fast", "--data.shards", packed / "train",
        "--run.folder", folder / "run", "--run.steps", _STEPS, "--run.ema-decay", "0.99",
        "--run.checkpoint-every", "100", "--run.sample-every", "100",
    )  # fmt: skip
    _run(*train)


def _run(*arguments: object) -> None:
    """A command of ours, with its progress on this terminal."""
    command = [str(part) for part in (_installed("histosyn"), *arguments)]
    # A thread each: more would wait for one another.
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    with child_answers(process) as asked:
        code = process.wait()
    if asked:
        raise KeyboardInterrupt
    if code:
        raise HistosynError(
            f"The demo's model could not be made: `histosyn {arguments[0]}` failed, see above. "
            "Run the same command again to go on, or paint with a model of your own."
        )


def _installed(command: str) -> Path:
    return Path(sys.executable).with_name(command)


def _cache() -> Path:
    return cache_folder() / f"paint-demo-{version('histosyn')}"
