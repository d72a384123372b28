"""The precision in which a folder is synthesized: the same for all of its tiles."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch

from histosyn.manifests.manifest import read_manifest, read_manifest_file
from histosyn.networks.inference import Precision
from histosyn.synthesis.provenance import mark_of
from hpc import collectives
from hpc.errors import InputError
from hpc.files import require_file
from hpc.job_array import WHOLE, Part
from hpc.precision import settled

# What tiles are made in that do not tell it: those of the first versions.
_UNTOLD = "float32"


def precision_of_tiles(
    wanted: str, device: torch.device, out: Path, *, like: Path | None = None, part: Part = WHOLE
) -> Precision:
    """What to make tiles in where `wanted` was asked for; the same on all ranks.

    "auto" is what those in `out` (or of the manifest `like`) were made in, if there are any; else
    bfloat16 if all ranks' devices compute it natively; else float32. Raises InputError for "auto"
    with a part: parts know nothing of each other.
    """
    if wanted == "auto" and part != WHOLE:
        raise InputError(
            "--precision auto is not for parts: they may run on devices of different kinds, and "
            "all tiles are to be made alike. Name float32 or bfloat16."
        )
    kept = collectives.run_on_rank_0(lambda: _precision_so_far(out, like))
    chosen = settled(wanted, device, kept)
    if chosen == "float64":
        raise InputError(f"precision {chosen} is for tests. Choose float32 or bfloat16.")
    return chosen


def _precision_so_far(out: Path, like: Path | None) -> str | None:
    """None where there are no tiles, or some of each precision."""
    if like is not None:
        entries = list(read_manifest_file(require_file(like, "manifest")).values())
    else:
        entries = list(read_manifest(out).values()) or _marks(out)
    found = {str(entry.get("precision", _UNTOLD)) for entry in entries}
    return found.pop() if len(found) == 1 else None


def _marks(out: Path) -> list[dict[str, Any]]:
    """Of one tile of a run that was killed: it has written no manifest yet."""
    marks = (mark_of(path) for path in sorted([*out.rglob("*.png"), *out.rglob("*.tif")]))
    return list(islice((mark for mark in marks if mark is not None), 1))
