"""`histosyn verify`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from launch.input_checks import check_inputs
from launch.terminal.console import say


def verify(
    tiles: Path,
    model: Path,
    labels: Path,
    *,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["float32", "bfloat16"] = "float32",
) -> None:
    """Tell whether tiles are what a model made of label maps.

    Each is made again, as it or the manifest beside it says, and compared: identical, identical but
    for metadata, altered (and where), not ours, or not checked (and why). The same kind of device
    is needed as it was made on. The exit code is 0 if all are identical, metadata or not.

    Example: histosyn verify tissue runs/first labels

    Parameters
    ----------
    tiles
        Folder of tiles or slides.
    model
        The model folder, checkpoint or run that they are said to be of.
    labels
        Folder of the label maps that they are said to be of.
    device
        Where to compute; auto takes the GPU if there is one.
    precision
        What they were made in.
    """
    check_inputs(model=model, folders={"tiles": tiles, "folder of label maps": labels})
    from histosyn.models.folder import load_model
    from histosyn.synthesis.verification import KINDS, verify_tiles
    from hpc.errors import PartialFailureError
    from hpc.log import set_up_logging, track
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    loaded = load_model(model, device_of(topology, device), precision)
    found = verify_tiles(
        loaded, tiles, labels, lambda paths: track(paths, total=len(paths), what="verify")
    )
    for each in found:
        say(f"{each.kind}: {each.file}{': ' * bool(each.detail)}{each.detail}")
    counts = Counter(each.kind for each in found)
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    say(summary)
    if counts["altered"] or counts["not ours"] or counts["not checked"]:
        raise PartialFailureError(f"Not all of {len(found)} files are as they were made: {summary}")
