"""`histosyn phantom`."""

from __future__ import annotations

import shlex
from pathlib import Path

from launch.terminal.console import console


def phantom(out: Path, /, *, count: int = 64, size: int = 128, seed: int = 0) -> None:
    """Write procedural H&E tissue: tiles, their label maps, and made-up patients.

    Glands, stroma and nuclei are drawn from the seed alone, at 1 micron per pixel (about 10x):
    data to try everything else with. The same seed gives the same tissue; more tiles are the same
    ones and more. Writes OUT/tiles, OUT/labels (schema prostate-3) and OUT/phantom.csv.

    Example: histosyn phantom demo --count 256

    Parameters
    ----------
    out
        Folder to make; if it exists, it must be empty.
    count
        Number of tiles; every 8 are a patient's.
    size
        Side of a tile in pixels: a multiple of 32, at least 64.
    seed
        Decides the tissue.
    """
    from histosyn.phantom import MPP, SCHEMA, TILES_PER_PATIENT, write_phantom
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    write_phantom(
        out,
        count=count,
        size=size,
        seed=seed,
        track=lambda indices: track(indices, total=count, what="tiles"),
    )
    patients = -(-count // TILES_PER_PATIENT)
    shown = console()
    shown.print(
        f"{count} tiles of {size}x{size} pixels at {MPP} microns per pixel, "
        f"from {patients} made-up patients, in {out}."
    )
    tiles, labels, groups = (
        shlex.quote(str(out / name)) for name in ("tiles", "labels", "phantom.csv")
    )
    shown.print(
        f"Next: histosyn pack {tiles} {labels} packed --schema {SCHEMA} "
        f"--groups {groups} --source-mpp {MPP} --val 0.2"
    )
