"""`histosyn unpack`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from launch.terminal.console import say


def unpack(shards: Path, out: Path, /, *, only: Literal["tiles", "labels"] | None = None) -> None:
    """Turn shards into folders again: OUT/tiles and OUT/labels, with the names of the samples.

    The files are those in the shards, byte for byte. OUT/samples.csv has the patient and the
    microns per pixel of each, for --groups; OUT/schema.toml the classes. A second run writes what
    is missing.

    Example: histosyn unpack packed/val val, and then: histosyn eval fid val/tiles tissue

    Parameters
    ----------
    shards
        Folder of shards, such as packed/val.
    out
        Folder for the files.
    only
        Write one of both only, straight into OUT.
    """
    from histosyn.shards.unpacking import unpack as write_folders
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    done = write_folders(
        shards, out, only, lambda places, total: track(places, total=total, what="unpack")
    )
    files = "file" if done.made == 1 else "files"
    say(f"{done.made} {files} written, {done.present} already there, in {out}.")
    if only is None:
        tiles, labels = (shlex.quote(str(out / name)) for name in ("tiles", "labels"))
        table = shlex.quote(str(out / "samples.csv"))
        say(f"To pack them again: histosyn pack {tiles} {labels} packed --groups {table}")
