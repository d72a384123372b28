"""Checks of the scheduler: SLURM, the job of this process, its rank and world size."""

from __future__ import annotations

import os
import shutil
import subprocess

from hpc.errors import HistosynError
from hpc.topology import detect
from launch.system_check.outcome import Outcome, absent, failure, last_line, ok, warning

_LIMIT_SECONDS = 10
_SHOWN_PARTITIONS = 8
_PREFIX = "SLURM_"
_TOLD = ("JOB_ID", "JOB_PARTITION", "JOB_NODELIST", "NNODES", "NTASKS", "NTASKS_PER_NODE",
         "CPUS_PER_TASK", "CPUS_ON_NODE", "GPUS_ON_NODE", "MEM_PER_NODE", "RESTART_COUNT",
         "STEP_ID", "STEP_NUM_TASKS", "PROCID")  # fmt: skip


def slurm() -> Outcome:
    """Whether SLURM's controller answers, and what its partitions are."""
    if shutil.which("sinfo") is None:
        return absent(
            "no sinfo on the PATH",
            "On a cluster, load the site's SLURM module; elsewhere there is nothing to do.",
        )
    version = _sinfo("--version")
    if version.returncode:
        return warning(
            f"installed, but not set up: {last_line(version.stderr)}",
            "On a cluster, ask the site for slurm.conf (SLURM_CONF); elsewhere there is nothing "
            "to do.",
        )
    answer = _sinfo("--noheader", "--format=%P %a %D %t")
    if answer.returncode:
        return failure(
            f"the controller does not answer: {last_line(answer.stderr)}",
            "Try `sinfo` again later, and tell the site if it goes on.",
        )
    partitions = [" ".join(line.split()) for line in answer.stdout.splitlines() if line.strip()]
    if not partitions:
        return warning(f"{version.stdout.strip()} without a partition for you", "Ask the site.")
    more = len(partitions) - _SHOWN_PARTITIONS
    rest = [f"and {more} more"] if more > 0 else []
    return ok("\n".join([version.stdout.strip(), *partitions[:_SHOWN_PARTITIONS], *rest]))


def slurm_job() -> Outcome:
    """The job that this runs in."""
    values = {name: os.environ[_PREFIX + name] for name in _TOLD if _PREFIX + name in os.environ}
    if "JOB_ID" not in values:
        return absent("not in a SLURM job", "")
    return ok(" ".join(f"{_PREFIX}{name}={value}" for name, value in values.items()))


def place() -> Outcome:
    """Whether the variables of torchrun and srun, if set, make sense together."""
    topology = detect()
    if topology.world_size == 1:
        return ok("a single process")
    return ok(
        f"rank {topology.rank} of {topology.world_size}, "
        f"local rank {topology.local_rank} of {topology.local_world_size}"
    )


def _sinfo(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["sinfo", *arguments],
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HistosynError(
            f"`sinfo` did not answer within {_LIMIT_SECONDS} s. Try it again later, and tell the "
            "site if it goes on."
        ) from error
