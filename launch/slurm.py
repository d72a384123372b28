"""SLURM: render a job file from a template, and submit it.

The templates in `templates/` are job files to be read and edited. What stands there for a value
begins with @, because $ and {} belong to the shell.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from hpc.errors import InputError
from hpc.files import write_text
from launch.site import Site

# Two jobs that share a node are unlikely to have numbers this far apart. The ports made from them
# lie below those that systems hand out on their own (32768 and up).
_PORTS = "$((20000 + SLURM_JOB_ID % 10000))"
_FIRST_HOST = '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)'


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """A training job: `arguments` are those of `histosyn train`, `folder` is the run's."""

    arguments: tuple[str, ...]
    folder: Path
    nodes: int
    time: str

    def log(self, number: str) -> Path:
        """Where the output of the job of this number goes."""
        return self.folder / f"slurm-{number}.log"

    @property
    def file(self) -> Path:
        """Where the job file is kept."""
        return self.folder / "train.sbatch"


def render_train(site: Site, job: TrainJob) -> str:
    """The job file of a training job."""
    address = shlex.quote(site.rendezvous_address) if site.rendezvous_address else _FIRST_HOST
    return _render(
        "train.sbatch",
        job_name=_header(f"histosyn-{job.folder.name}"),
        log=_header(str(job.folder).replace("%", "%%") + "/" + job.log("%j").name),
        nodes=str(job.nodes),
        cpus_per_task=str(site.cpus_per_task),
        time=_header(job.time),
        site_options="\n".join(f"#SBATCH {option}" for option in _site_options(site)),
        environment="\n".join(_environment(site)),
        rendezvous_address=address,
        rendezvous_port=str(site.rendezvous_port or _PORTS),
        runner=_runner(site),
        processes_per_node=str(site.processes_per_node),
        arguments=_lines(job.arguments),
    )


def submit(text: str, path: Path) -> str:
    """Save a job file and hand it to sbatch; returns the job's number.

    Raises InputError if there is no SLURM here or if it refuses the job.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "sbatch is not on this machine's PATH. Submit from a login node of the cluster, "
            "or look at the job file with --dry-run."
        )
    write_text(path, text)
    result = subprocess.run(
        ["sbatch", "--parsable", str(path)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise InputError(
            f"SLURM refused {path}: {result.stderr.strip()}. Correct the site file or the options."
        )
    # On a federation of clusters the name of the cluster follows.
    return result.stdout.strip().split(";")[0]


class _JobTemplate(Template):
    delimiter = "@"


def _render(name: str, **values: str) -> str:
    template = resources.files("launch").joinpath("templates", name).read_text("utf-8")
    text = _JobTemplate(template).substitute(values)
    # Where a value is empty, its line leaves a gap.
    return re.sub(r"\n{3,}", "\n\n", text)


def _header(value: str) -> str:
    """A value as #SBATCH lines have it: one word on one line."""
    if "\n" in value:
        raise InputError(f"{value!r} has a line break, which no job file can hold. Rename it.")
    return shlex.quote(value)


def _site_options(site: Site) -> list[str]:
    options = {
        "partition": site.partition,
        "account": site.account,
        "gpus-per-node": str(site.gpus_per_node) if site.gpus_per_node else None,
        "mem": site.memory,
    }
    named = [f"--{name}={_header(value)}" for name, value in options.items() if value is not None]
    return [*named, *site.options]


def _environment(site: Site) -> list[str]:
    lines = [f"module load {shlex.join(site.modules)}"] if site.modules else []
    lines += site.setup
    if site.scratch is not None:
        lines += [f'export TMPDIR="{site.scratch}"', 'srun mkdir -p "$TMPDIR"']
    return lines


def _runner(site: Site) -> str:
    if site.container is None:
        return "torchrun"
    gpus = "--nv " if site.gpus_per_node else ""
    scratch = '--bind "$TMPDIR" ' if site.scratch else ""
    return f"apptainer exec {gpus}{scratch}{shlex.quote(site.container)} torchrun"


def _lines(arguments: tuple[str, ...]) -> str:
    """Arguments for the shell: an option and its value a line."""
    lines: list[list[str]] = []
    for argument in arguments:
        if argument.startswith("--") or not lines:
            lines.append([])
        lines[-1].append(argument)
    return " \\\n    ".join(shlex.join(line) for line in lines)
