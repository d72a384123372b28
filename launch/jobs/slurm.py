"""Calls of sbatch and squeue."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from hpc.errors import HistosynError, InputError
from hpc.files import write_text

# Others, such as COMPLETED or TIMEOUT, are the end of a job.
_UNDER_WAY = frozenset(
    ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING",
     "STAGE_OUT", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD",
     "SPECIAL_EXIT")
)  # fmt: skip
_LIMIT_SECONDS = 60
_UNKNOWN_JOB = "Invalid job id"


def submit(text: str, path: Path, *options: str) -> str:
    """Save a job file and hand it to sbatch; returns the job's number.

    Raises InputError if there is no SLURM here or if it refuses the job, HistosynError if it does
    not answer.
    """
    require_slurm()
    write_text(path, text)
    try:
        result = _run("sbatch", "--parsable", *options, str(path))
    except subprocess.TimeoutExpired as error:
        raise HistosynError(
            f"SLURM has not answered for {_LIMIT_SECONDS} seconds; {path} may be in its queue or "
            "not. Look with `squeue --me` before you submit it again."
        ) from error
    if result.returncode:
        raise InputError(
            f"SLURM refused {path}: {result.stderr.strip()}. Correct the site file or the options."
        )
    # On a federation of clusters the name of the cluster follows.
    return result.stdout.strip().split(";")[0]


def require_slurm() -> None:
    """InputError unless jobs can be submitted from this machine."""
    if shutil.which("sbatch") is None:
        raise InputError(
            "sbatch is not on this machine's PATH. Submit from a login node of the cluster, "
            "or look at the job file with --dry-run."
        )


def states_of(numbers: Iterable[str]) -> dict[str, tuple[str, ...]] | None:
    """What squeue says of jobs: their states, one or, of an array's tasks, several.

    A job that SLURM doesn't know (any more) is left out. None if it doesn't answer.
    """
    states: dict[str, tuple[str, ...]] = {}
    for number in numbers:
        try:
            result = _run("squeue", "--noheader", "--states=all", "--format=%T", "--jobs", number)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if result.returncode and _UNKNOWN_JOB not in result.stderr:
            return None
        if found := tuple(sorted(set(result.stdout.split()))):
            states[number] = found
    return states


def is_under_way(states: Iterable[str]) -> bool:
    """Whether a job in any of these states may still write something."""
    return any(state in _UNDER_WAY for state in states)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS
    )
