"""Job files: rendered from the templates in `templates/`, which are shell scripts to be read.

What stands there for a value begins with @, because $ and {} belong to the shell; @@ is one @.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from string import Template

from hpc.errors import InputError
from launch.jobs.site import Site

# Below a folder of tiles.
JOBS_FOLDER = "slurm"
# Two jobs that share a node are unlikely to have numbers this far apart. The ports made from them
# lie below those that systems hand out on their own (32768 and up).
_PORTS = "$((20000 + SLURM_JOB_ID % 10000))"
_ON_ITS_NODE = 'srun --cpus-per-task="$SLURM_CPUS_PER_TASK"'
_FIRST_HOST = '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)'


@dataclass(frozen=True, kw_only=True)
class JobFile:
    """A job to submit: `name` and `folder` say where its file and its output go.

    An array has `parts` tasks, numbered from 1; any other job has None.
    """

    name: str
    folder: Path
    text: str
    parts: int | None = None

    @property
    def path(self) -> Path:
        """Where the job file is kept."""
        return self.folder / f"{self.name}.sbatch"

    def logs(self, number: str) -> dict[str, Path]:
        """Where the output of the job of this number goes: by task, "" if there is but one."""
        if self.parts is None:
            return {"": self.folder / f"slurm-{number}.log"}
        tasks = map(str, range(1, self.parts + 1))
        return {task: self.folder / f"slurm-{number}_{task}.log" for task in tasks}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: `arguments` are those of the command, `time` is the job's limit."""

    arguments: tuple[str, ...]
    folder: Path
    time: str


def train_job(site: Site, request: Request, *, nodes: int, stage: bool = False) -> JobFile:
    """Training on some nodes; `stage` copies the shards to the site's scratch first."""
    staging = ('--data.stage-to "$TMPDIR"',) if stage and site.scratch else ()
    work = _filled(
        "train.sh",
        queue_again=_queue_again(site),
        folder=shlex.quote(str(request.folder)),
        rendezvous_address=_address(site),
        rendezvous_port=str(site.rendezvous_port or _PORTS),
        torchrun=_in_container(site, "torchrun"),
        histosyn=_in_container(site, "histosyn"),
        processes_per_node=str(site.processes_per_node),
        max_restarts=str(site.max_restarts),
        stop_seconds=str(site.stop_seconds),
        arguments=_lines(request.arguments, *staging, indent=8),
    )
    options = [f"--signal=B:USR2@{site.stop_seconds}", *_whole_nodes(site, nodes)]
    return _job("train", site, request, options, work)


def tune_job(site: Site, request: Request, *, nodes: int) -> JobFile:
    """A sweep; on several nodes under a Ray cluster that lives as long as the job.

    Such a job outlives nodes, but the first, and jobs of `tune_join_job` may join it.
    """
    work = _filled(
        "tune.sh",
        folder=shlex.quote(str(request.folder)),
        queue_again=_queue_again(site),
        cluster=_filled("tune-one-node.sh").rstrip() if nodes == 1 else _head(site),
        start=_ON_ITS_NODE if nodes == 1 else 'on "${nodes[0]}"',
        histosyn=_in_container(site, "histosyn"),
        arguments=_lines(request.arguments),
    )
    options = [f"--signal=B:USR2@{site.stop_seconds}", *_whole_nodes(site, nodes)]
    return _job("tune", site, request, [*options, *(["--no-kill"] if nodes > 1 else [])], work)


def tune_join_job(site: Site, request: Request, *, nodes: int) -> JobFile:
    """Nodes for a sweep that a `tune_job` of several nodes runs."""
    work = _filled(
        "tune-join.sh",
        folder=shlex.quote(str(request.folder)),
        cluster=_ray_nodes(site),
        histosyn=_in_container(site, "histosyn"),
    )
    return _job("tune", site, request, _whole_nodes(site, nodes), work, name="tune-join")


def _head(site: Site) -> str:
    head = _filled(
        "tune-nodes.sh",
        rendezvous_address=_address(site),
        rendezvous_port=str(site.rendezvous_port or _PORTS),
    )
    return f"{_ray_nodes(site)}\n\n{head.rstrip()}"


def _ray_nodes(site: Site) -> str:
    return _filled(
        "ray-nodes.sh",
        ray=_in_container(site, "ray"),
        gpus_per_node=str(site.gpus_per_node),
    ).rstrip()


def _queue_again(site: Site) -> str:
    return _filled("queue-again.sh", stop_seconds=str(site.stop_seconds)).rstrip()


def synth_job(site: Site, request: Request, *, parts: int | None = None) -> JobFile:
    """Synthesis by one process, or by a task for each part."""
    work = _filled(
        "synth.sh",
        histosyn=_in_container(site, "histosyn"),
        part=_part(parts),
        arguments=_lines(request.arguments),
    )
    return _job("synth", site, request, _one_process(site), work, parts)


def eval_job(site: Site, request: Request, *, parts: int | None = None) -> JobFile:
    """A Fréchet distance by one process, or its measurements by a task for each part."""
    work = _filled(
        "eval.sh",
        histosyn=_in_container(site, "histosyn"),
        part=_part(parts),
        arguments=_lines(request.arguments),
    )
    return _job("eval", site, request, _one_process(site), work, parts)


def pack_job(site: Site, request: Request, *, parts: int | None = None) -> JobFile:
    """Packing by one process, or by a task for each part; no GPU has a share in it."""
    work = _filled(
        "pack.sh",
        histosyn=_in_container(site, "histosyn"),
        part=_part(parts),
        arguments=_lines(request.arguments),
    )
    share = replace(site.of_one_process, gpus_per_node=0)
    return _job("pack", site, request, _whole_nodes(share, nodes=1), work, parts)


class _JobTemplate(Template):
    delimiter = "@"


def _filled(name: str, **values: str) -> str:
    template = resources.files("launch").joinpath("templates", name).read_text("utf-8")
    return _JobTemplate(template).substitute(values)


def _job(
    command: str,
    site: Site,
    request: Request,
    options: Iterable[str],
    work: str,
    parts: int | None = None,
    name: str | None = None,
) -> JobFile:
    name = name or command
    log = "slurm-%j.log" if parts is None else "slurm-%A_%a.log"
    array = [] if parts is None else [f"--array=1-{parts}"]
    text = _filled(
        "job.sbatch",
        job_name=_header(_job_name(name, _name(request.folder))),
        log=_header(f"{request.folder}".replace("%", "%%") + f"/{log}"),
        options="\n".join(
            f"#SBATCH {option}"
            for option in (*array, *options, f"--time={_header(request.time)}", *_of_site(site))
        ),
        command=command,
        environment="\n".join(_environment(site)),
        work=work.rstrip(),
    )
    # Where a value is empty, its line leaves a gap.
    text = re.sub(r"\n{3,}", "\n\n", text)
    # The job that follows an array, to put its parts together, has a file of its own.
    file = name if parts is None else f"{name}-parts"
    return JobFile(name=file, folder=request.folder, text=text, parts=parts)


def _job_name(command: str, folder: str) -> str:
    """runs/train, where `train` writes by default, says nothing more than the command."""
    return f"histosyn-{command}" if folder == command else f"histosyn-{command}-{folder}"


def _name(folder: Path) -> str:
    """The run's name, or that of the folder of tiles in which a folder for jobs lies."""
    return folder.parent.name if folder.name == JOBS_FOLDER else folder.name


def _header(value: str) -> str:
    """A value as #SBATCH lines have it: one word on one line."""
    if "\n" in value:
        raise InputError(f"{value!r} has a line break, which no job file can hold. Rename it.")
    return shlex.quote(value)


def _whole_nodes(site: Site, nodes: int) -> list[str]:
    """One task a node, which has all that the site file says of a node."""
    gpus = [f"--gpus-per-node={site.gpus_per_node}"] if site.gpus_per_node else []
    memory = [f"--mem={site.memory}"] if site.memory else []
    return [
        f"--nodes={nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={site.cpus_per_task}",
        *gpus,
        *memory,
    ]


def _one_process(site: Site) -> list[str]:
    """One GPU, if there are any, and its share of a node's cores and memory."""
    return _whole_nodes(site.of_one_process, nodes=1)


def _of_site(site: Site) -> list[str]:
    named = {"partition": site.partition, "account": site.account}
    options = [f"--{name}={_header(value)}" for name, value in named.items() if value is not None]
    return [*options, *site.options]


def _environment(site: Site) -> list[str]:
    lines = [f"module load {shlex.join(site.modules)}"] if site.modules else []
    lines += site.setup
    if site.scratch is not None:
        lines += [f'export TMPDIR="{site.scratch}"', 'srun mkdir -p "$TMPDIR"']
    return lines


def _address(site: Site) -> str:
    return shlex.quote(site.rendezvous_address) if site.rendezvous_address else _FIRST_HOST


def _in_container(site: Site, program: str) -> str:
    if site.container is None:
        return program
    gpus = "--nv " if site.gpus_per_node else ""
    scratch = '--bind "$TMPDIR" ' if site.scratch else ""
    return f"apptainer exec {gpus}{scratch}{shlex.quote(site.container)} {program}"


def _part(parts: int | None) -> str:
    return "" if parts is None else f'--part "$SLURM_ARRAY_TASK_ID/{parts}" '


def _lines(arguments: tuple[str, ...], *more: str, indent: int = 4) -> str:
    """Arguments for the shell, an option and its value a line; `more` are lines as they are."""
    lines: list[list[str]] = []
    for argument in arguments:
        if argument.startswith("--") or not lines:
            lines.append([])
        lines[-1].append(argument)
    return f" \\\n{' ' * indent}".join((*map(shlex.join, lines), *more))
