"""The site file: the settings of a cluster (partition, GPUs a node, modules) in a TOML file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from histosyn.config.file import from_dict, load_toml
from hpc.errors import ConfigError, InputError
from hpc.user_folders import home

MINIMAL = """\
partition = "gpu"
gpus_per_node = 4
cpus_per_task = 32
time = "24:00:00"
setup = ["source .venv/bin/activate"]
"""

# The forms of sbatch --time: minutes, minutes:seconds, hours:minutes:seconds, with days before.
_TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d\d?(:\d\d){0,2}")
_MEMORY = re.compile(r"(\d+)([KMGT]?)")
_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024 * 1024}


@dataclass(frozen=True, kw_only=True)
class Site:
    """How jobs are started on one cluster."""

    gpus_per_node: int
    """GPUs to ask for on each node; each gets a process. 0: one process a node, on the CPU."""
    cpus_per_task: int
    """CPU cores to ask for on each node: its only task is the torchrun that starts the rest."""
    partition: str | None = None
    """Default: SLURM's."""
    account: str | None = None
    """Default: SLURM's."""
    memory: str | None = None
    """Memory a node, such as "64G"; "0" is all of it. Default: SLURM's."""
    time: str = "24:00:00"
    """Longest time a job may take, in a form that sbatch knows: HH:MM:SS, D-HH:MM:SS, ..."""
    options: tuple[str, ...] = ()
    """More options of sbatch, such as "--qos=long" or "--constraint=a100"."""
    modules: tuple[str, ...] = ()
    """Environment modules to load."""
    setup: tuple[str, ...] = ()
    """Shell lines that make `histosyn` callable, such as "source .venv/bin/activate"."""
    container: str | None = None
    """Apptainer image in which torchrun is to run."""
    scratch: str | None = None
    """Folder for temporary files on the nodes; may name a variable, such as "/scratch/$USER"."""
    rendezvous_address: str | None = None
    """Where the nodes meet. Default: the first host of the job."""
    rendezvous_port: int | None = None
    """Default: one made from the job's number, so that jobs that share a node keep apart."""
    max_restarts: int = 3
    """How often training processes are started again when one of them was killed."""
    stop_seconds: int = 300
    """Time for training to save and stop, before the job's time is over."""

    def __post_init__(self) -> None:
        for name, least in (("gpus_per_node", 0), ("cpus_per_task", 1), ("max_restarts", 0),
                            ("stop_seconds", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise ConfigError(f"{name} = {getattr(self, name)} must be at least {least}.")
        self._check_texts()
        check_time(self.time)
        if self.memory is not None and not _MEMORY.fullmatch(self.memory):
            raise ConfigError(f'memory = {self.memory!r} must look like "64G" (or K, M, T).')
        if self.rendezvous_port is not None and not 1024 <= self.rendezvous_port < 65536:
            raise ConfigError(
                f"rendezvous_port = {self.rendezvous_port} must lie in 1024..65535, "
                "where no privileges are needed."
            )

    def _check_texts(self) -> None:
        """What a job file could not hold, or would take for something else."""
        for option in self.options:
            if not option.startswith("-") or "\n" in option:
                raise ConfigError(
                    f'options: {option!r} must be one option of sbatch, such as "--qos=long".'
                )
        for name in ("partition", "account", "container", "scratch", "rendezvous_address"):
            value = getattr(self, name)
            if value is not None and (not value.strip() or "\n" in value or '"' in value):
                raise ConfigError(
                    f"{name} = {value!r} must be one line, not empty, without quotation marks. "
                    "Leave it out if there is nothing to say."
                )
        for name in ("container", "scratch"):
            if (getattr(self, name) or "").startswith("~"):
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r}: no shell replaces this ~. Write the whole "
                    "path."
                )

    @property
    def processes_per_node(self) -> int:
        """Training processes on each node."""
        return max(self.gpus_per_node, 1)

    @property
    def of_one_process(self) -> Site:
        """The same site with the share of a node that one of its processes has."""
        return replace(
            self,
            gpus_per_node=min(self.gpus_per_node, 1),
            cpus_per_task=max(self.cpus_per_task // self.processes_per_node, 1),
            memory=self._memory_of_one_process(),
        )

    def _memory_of_one_process(self) -> str | None:
        match = _MEMORY.fullmatch(self.memory or "0")
        assert match is not None
        mib = int(match[1]) * _MIB[match[2]]
        if self.processes_per_node == 1 or not mib:
            # All memory of a node, for one of its processes, would leave none for the others.
            return self.memory if self.processes_per_node == 1 else None
        return f"{max(int(mib / self.processes_per_node), 1)}M"


def check_time(time: str) -> str:
    """Return `time` if sbatch can read it; raises ConfigError otherwise."""
    if not _TIME.fullmatch(time):
        raise ConfigError(f"time = {time!r} must look like HH:MM:SS or D-HH:MM:SS.")
    return time


def seconds_of(time: str) -> int:
    """A limit of time in seconds. Raises ConfigError if sbatch could not read it."""
    days, _, rest = check_time(time).rpartition("-")
    numbers = [int(number) for number in rest.split(":")]
    if days:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) < 3:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    else:
        hours, minutes, seconds = numbers
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def load_site(path: Path | None = None) -> Site:
    """Read a site file: `path`, else ./site.toml, else ~/.config/histosyn/site.toml.

    Raises InputError with a file to start from if there is none, ConfigError for a wrong one.
    """
    path = path or _find()
    return from_dict(Site, load_toml(path), str(path))


def _find() -> Path:
    at_home = home() or Path("~")
    places = (Path("site.toml"), at_home / ".config" / "histosyn" / "site.toml")
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        f"No site file: neither ./{places[0]} nor {places[1]} exists, and --site names none. "
        "Save one with the values of your cluster; `histosyn init site` writes one that explains "
        "all of them. "
        f"For instance:\n\n{MINIMAL}"
    )
