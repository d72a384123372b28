"""Epochs as steps: what `--epochs` would be for the data set that the command line names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from histosyn.config.data import DataConfig
from histosyn.config.file import load_toml
from histosyn.shards.index_file import load_index
from hpc.errors import HistosynError

_ANY = (
    "Training is counted in steps: an epoch has as many as the data set has tiles, divided by "
    "--data.global-batch."
)


def epochs_as_steps(tokens: Sequence[str], epochs: str | None) -> str:
    """What to say to somebody who asked for epochs: the number of steps, if it can be told."""
    try:
        shards, batch = _shards_and_batch(tokens)
        tiles = len(load_index(Path(shards)))
    except (HistosynError, OSError, KeyError, TypeError, ValueError):
        return _ANY
    each = f"{tiles / batch:,.4g}"
    told = (
        f"Training is counted in steps: of {shards}, {tiles:,} tiles taken {batch} a step, an "
        f"epoch is {each} steps"
    )
    wanted = _number(epochs)
    if wanted is None:
        return f"{told}."
    return f"{told}, so {epochs} epochs are --run.steps {math.ceil(wanted * tiles / batch)}."


def _shards_and_batch(tokens: Sequence[str]) -> tuple[str, int]:
    """By the command line, and what it leaves open by the file of --config."""
    given = _options(tokens)
    file: dict[str, Any] = {}
    if "--config" in given:
        file = load_toml(Path(given["--config"])).get("data", {})
    shards = given.get("--data.shards") or file["shards"]
    batch = given.get("--data.global-batch") or file.get("global_batch")
    if batch is None:
        batch = DataConfig(shards=Path(shards)).global_batch
    if int(batch) < 1:
        raise ValueError(batch)
    return str(shards), int(batch)


def _options(tokens: Sequence[str]) -> dict[str, str]:
    """The value of each option, given as `--a b` or as `--a=b`."""
    found = {}
    for token, after in zip(tokens, [*tokens[1:], ""], strict=True):
        name, equals, value = token.partition("=")
        if name.startswith("--"):
            found[name.replace("_", "-")] = value if equals else after
    return found


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None
