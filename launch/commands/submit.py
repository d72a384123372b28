"""`histosyn submit`: jobs for SLURM."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from histosyn.config import TrainConfig
from hpc.errors import ConfigError, InputError
from launch.site import Site, check_time, load_site
from launch.slurm import TrainJob, render_train, submit


def submit_train(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True)],
    site: Path | None = None,
    nodes: Annotated[int, Parameter(validator=InRange(gte=1))] = 1,
    time: str | None = None,
    dry_run: bool = False,
) -> None:
    """Submit a training job to SLURM.

    All other options are those of `histosyn train`. They are checked now, not when the job starts.
    The job file and the job's output go into the run folder. Submitting the same command again
    goes on where the run stopped.

    Example: histosyn submit train --nodes 2 --config train.toml --run.folder runs/first

    Parameters
    ----------
    arguments
        Options of `histosyn train`; see its --help. They may be set apart by --.
    site
        Site file: partition, GPUs a node, how to set up the environment. Default: ./site.toml,
        else ~/.config/histosyn/site.toml.
    nodes
        Nodes to train on.
    time
        Longest time the job may take, HH:MM:SS. Default: the site's.
    dry_run
        Print the job file and stop.
    """
    settings = _settings(arguments)
    here = load_site(site)
    _check_batch(settings, here, nodes)
    job = TrainJob(
        arguments=arguments,
        folder=settings.run.folder,
        nodes=nodes,
        time=check_time(time or here.time),
    )
    text = render_train(here, job)
    if dry_run:
        print(text, end="")
        return
    _warn_of_missing(settings.data.shards)
    _tell(job, here, submit(text, job.file))


def _settings(arguments: tuple[str, ...]) -> TrainConfig:
    """What `histosyn train` would make of the arguments; raises as it would."""
    from launch.commands.train import train

    _, bound, _ = train.parse_args(list(arguments), exit_on_error=False, print_error=False)
    if "settings" not in bound.arguments or bound.arguments.get("dry_run"):
        raise InputError(
            "With these options `histosyn train` does not train. Leave --help, --version and "
            "--dry-run out of what is submitted."
        )
    return bound.arguments["settings"]


def _check_batch(settings: TrainConfig, site: Site, nodes: int) -> None:
    processes = nodes * site.processes_per_node
    if settings.data.global_batch % processes:
        raise ConfigError(
            f"data.global_batch = {settings.data.global_batch} cannot be shared evenly by "
            f"{processes} processes ({nodes} nodes, {site.processes_per_node} on each). Choose "
            f"a multiple of {processes}, or other --nodes."
        )


def _warn_of_missing(shards: Path) -> None:
    """Only a warning: data may lie where the nodes see it, but not this machine."""
    if not shards.is_dir():
        print(f"warning: there is no {shards} here; the job will look for it.", file=sys.stderr)


def _tell(job: TrainJob, site: Site, number: str) -> None:
    processes = job.nodes * site.processes_per_node
    print(f"Submitted job {number}: nodes {job.nodes}, processes {processes}, time {job.time}.")
    print(f"  job file  {job.file}")
    print(f"  follow    {shlex.join(['tail', '-F', str(job.log(number))])}")
    print(f"  state     squeue --jobs {number}")
    print(f"  cancel    scancel {number}")
