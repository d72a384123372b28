"""Which process this is among how many: the only reader of RANK, WORLD_SIZE and SLURM_*."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpc.errors import InputError

_LISTENING = "HISTOSYN_LISTENING_SOCKET"
# The id of the process that started the ranks.
_LAUNCHER = "HISTOSYN_LAUNCHER"


@dataclass(frozen=True, kw_only=True)
class Topology:
    """This process's place: `rank` of `world_size`, `local_rank` on its node."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, the one that writes."""
        return self.rank == 0

    def share(self, total: int) -> range:
        """This rank's contiguous part of `total` items, which the world size must divide."""
        if total % self.world_size:
            raise InputError(
                f"{total} items cannot be shared evenly by {self.world_size} processes. "
                f"Choose a global batch size that {self.world_size} divides."
            )
        size = total // self.world_size
        return range(self.rank * size, (self.rank + 1) * size)


def detect(environment: Mapping[str, str] | None = None) -> Topology:
    """Read the topology that torchrun set; a process started alone is rank 0 of 1.

    Raises InputError for incomplete or contradicting variables, and for several tasks of one SLURM
    step without torchrun: each of them would take itself for the only one.
    """
    environment = os.environ if environment is None else environment
    if "RANK" in environment or "WORLD_SIZE" in environment:
        return _from_torchrun(environment)
    tasks = _number(environment, "SLURM_STEP_NUM_TASKS", "1")
    if tasks > 1 and environment.get("SLURM_STEP_ID", "").isdigit():
        raise InputError(
            f"srun started {tasks} tasks, but RANK and WORLD_SIZE are not set: each task would "
            "work alone. HINT: start one torchrun a node (--ntasks-per-node=1), as the job file "
            "of `histosyn submit` does."
        )
    return Topology()


def is_first_process(environment: Mapping[str, str] | None = None) -> bool:
    """Whether to report what all processes would report alike, before there is a group."""
    environment = os.environ if environment is None else environment
    return environment.get("RANK", "0") == "0"


def is_alone(environment: Mapping[str, str] | None = None) -> bool:
    """Whether nobody started this process as one of several."""
    environment = os.environ if environment is None else environment
    return "RANK" not in environment and "WORLD_SIZE" not in environment


def places_on(nodes: Sequence[str]) -> list[Topology]:
    """The places of ranks 0, 1, ..., each of which runs on the node named."""
    return [
        Topology(
            rank=rank,
            world_size=len(nodes),
            local_rank=nodes[:rank].count(node),
            local_world_size=nodes.count(node),
        )
        for rank, node in enumerate(nodes)
    ]


def rank_variables(place: Topology, meeting: Rendezvous) -> dict[str, str]:
    """What a process must find to have this place among ranks that meet there, as torchrun has it.

    `meeting` is a socket that listens already, whose descriptor rank 0 has for the ranks' store.
    """
    return {
        "RANK": str(place.rank), "WORLD_SIZE": str(place.world_size),
        "LOCAL_RANK": str(place.local_rank), "LOCAL_WORLD_SIZE": str(place.local_world_size),
        "MASTER_ADDR": meeting.host, "MASTER_PORT": str(meeting.port),
        _LISTENING: str(meeting.listening),
    }  # fmt: skip


def launcher_variables() -> dict[str, str]:
    """What a process must find to notice that this one, which starts it, is gone."""
    return {_LAUNCHER: str(os.getpid())}


def launcher_is_gone(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the process that started this one as a rank, and passes signals on, has ended."""
    environment = os.environ if environment is None else environment
    launcher = environment.get(_LAUNCHER)
    return launcher is not None and launcher != str(os.getppid())


def loopback() -> dict[str, str]:
    """What keeps gloo on this machine: else it listens where the machine's name leads others."""
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    return {"GLOO_SOCKET_IFNAME": names[0]} if names else {}


def job_id(environment: Mapping[str, str] | None = None) -> str | None:
    """The number of the SLURM job that this process belongs to."""
    environment = os.environ if environment is None else environment
    return environment.get("SLURM_JOB_ID")


def job_end_time(environment: Mapping[str, str] | None = None) -> float | None:
    """When the job's time is over, in seconds since 1970; None if nobody says so."""
    environment = os.environ if environment is None else environment
    value = environment.get("SLURM_JOB_END_TIME", "")
    return float(value) if value.isdecimal() else None


@dataclass(frozen=True, kw_only=True)
class Rendezvous:
    """Where the ranks' store is reached, and whether rank 0 keeps it rather than torchrun.

    `listening` is the descriptor of a socket that rank 0 is to keep it at, if it was given one.
    """

    host: str
    port: int
    kept_by_first: bool
    listening: int | None = None


def rendezvous(environment: Mapping[str, str] | None = None) -> Rendezvous:
    """The rendezvous that torchrun's variables name; raises InputError without them."""
    environment = os.environ if environment is None else environment
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not environment.get(name)]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} not set although WORLD_SIZE is: the processes don't know "
            "where to meet. HINT: start with torchrun, or unset RANK and WORLD_SIZE to run a "
            "single process."
        )
    return Rendezvous(
        host=environment["MASTER_ADDR"],
        port=_number(environment, "MASTER_PORT"),
        kept_by_first=environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        listening=_number(environment, _LISTENING) if _LISTENING in environment else None,
    )


def _from_torchrun(environment: Mapping[str, str]) -> Topology:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    missing = [name for name in names if name not in environment]
    if missing:
        raise InputError(
            f"{', '.join(missing)} not set although {names[0]} or {names[1]} is. "
            "HINT: start with torchrun, or unset them to run a single process."
        )
    rank, world_size, local_rank, local_world_size = (_number(environment, n) for n in names)
    for name, value, size in (
        ("", rank, world_size),
        ("LOCAL_", local_rank, local_world_size),
    ):
        if not 0 <= value < size:
            raise InputError(
                f"{name}RANK={value} must lie in 0..{size - 1} ({name}WORLD_SIZE={size}). "
                "HINT: start with torchrun, or unset them to run a single process."
            )
    return Topology(
        rank=rank, world_size=world_size, local_rank=local_rank, local_world_size=local_world_size
    )


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    value = environment.get(name, default)
    try:
        return int(value)
    except ValueError as error:
        raise InputError(f"{name}={value!r} is no number. HINT: start with torchrun.") from error
