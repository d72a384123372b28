"""`histosyn init`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from launch.terminal.console import say

_NEXT = {
    "train": "histosyn train --config {}",
    "site": "histosyn submit train --site {} --dry-run ...",
    "sweep": "histosyn tune --config {}",
    "schema": "histosyn pack tiles labels packed --schema {}",
}


def init(kind: Literal["train", "site", "sweep", "schema"], out: Path | None = None, /) -> None:
    """Write a commented file to start from: of a training, a cluster, a sweep or a label schema.

    Example: histosyn init train

    Parameters
    ----------
    kind
        train: every setting of a training; site: what `histosyn submit` must know of your cluster;
        sweep: what is searched, and how; schema: the classes of your label maps.
    out
        File to write; it must not exist. Default: train.toml, site.toml, sweep.toml or schema.toml.
    """
    from importlib.resources import files
    from shlex import quote

    from hpc.errors import InputError
    from hpc.files import write_text
    from launch.command_line.training_file import training_file

    out = out or Path(f"{kind}.toml")
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists already, and is not replaced. Name another file to write.")
    if kind == "train":
        text = training_file()
    else:
        text = files("launch").joinpath("starting_files", f"{kind}.toml").read_text("utf-8")
    write_text(out, text)
    say(f"{out} is written. Edit it, and then: {_NEXT[kind].format(quote(str(out)))}")
