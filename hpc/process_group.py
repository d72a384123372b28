"""The process group and the device of a run: the only caller of `init_process_group`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from hpc.collectives import broadcast_object
from hpc.error_file import leave_for_torchrun
from hpc.errors import HistosynError, InputError, LostProcessError
from hpc.topology import Rendezvous, Topology, rendezvous
from hpc.watchdog import Watchdog, connect

_SETTLING_SECONDS = 0.2
_HEAD_START_SECONDS = 60.0


def device_of(topology: Topology, wanted: str = "auto") -> torch.device:
    """The device of this process: its own GPU, or the CPU.

    `wanted` is "auto", "cpu" or "cuda". Raises InputError if there are fewer GPUs than processes.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if wanted not in ("auto", "cuda"):
        raise InputError(f"device {wanted!r} is none of auto, cpu, cuda.")
    count = torch.cuda.device_count()
    if count == 0:
        raise InputError("There is no GPU here that torch can use. Choose the CPU as the device.")
    if topology.local_world_size > count:
        raise InputError(
            f"{topology.local_world_size} processes of this node need a GPU each: there are "
            f"{count}. Start fewer processes a node, or choose the CPU as the device."
        )
    return torch.device("cuda", topology.local_rank)


@contextmanager
def process_group(
    topology: Topology, device: torch.device, *, timeout_seconds: float = 600
) -> Iterator[Watchdog]:
    """Join the group of all ranks during the block; at world size 1 there is nothing to join.

    Ranks wait for each other for `timeout_seconds`, which is also the limit of a step (see
    `Watchdog.step_taken`). An error of one rank ends all of them, and one of them says why: on the
    others SystemExit leaves this block.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    watchdog = Watchdog(topology, limit_seconds=timeout_seconds)
    if topology.world_size == 1:
        with watchdog.watching(None):
            yield watchdog
        return
    point = rendezvous()
    _join(topology, device, point, timeout_seconds)
    try:
        # Nobody leaves before all have arrived and, if all goes well, before all are done: who
        # still connects, or still reads, would see the connection closed and take it for a crash.
        distributed.barrier()
        with watchdog.watching(connect(point, broadcast_object(uuid.uuid4().hex))):
            yield watchdog
            distributed.barrier()
        distributed.barrier()
    except BaseException:
        # NCCL may wait for ever for what the others no longer do; the process ends anyway.
        if device.type != "cuda":
            _disband()
        raise
    _disband()


@contextmanager
def one_error_per_node(topology: Topology) -> Iterator[None]:
    """For errors that all processes of a node have before they are a group: one reports it."""
    try:
        yield
    except HistosynError as error:
        leave_for_torchrun(str(error))
        if topology.local_rank:
            raise SystemExit(error.exit_code) from None
        raise


def _join(
    topology: Topology, device: torch.device, point: Rendezvous, timeout_seconds: float
) -> None:
    try:
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=_store(topology, point),
            rank=topology.rank,
            world_size=topology.world_size,
            # The watchdog, which knows more, is to be the first.
            timeout=timedelta(seconds=timeout_seconds + _HEAD_START_SECONDS),
        )
    except (distributed.DistError, ValueError, RuntimeError) as error:
        raise LostProcessError(
            f"Rank {topology.rank} of {topology.world_size} could not meet the others at "
            f"{point.host}:{point.port} ({str(error).splitlines()[0]}). Check that all processes "
            "were started, and that this address can be reached from every node."
        ) from error


def _store(topology: Topology, point: Rendezvous) -> distributed.Store | None:
    """The TCPStore of the rendezvous, if rank 0 was given a socket for it; else torch makes it."""
    if point.listening is None:
        return None
    return distributed.TCPStore(
        point.host, point.port, is_master=topology.is_first, wait_for_workers=False,
        timeout=timedelta(seconds=_HEAD_START_SECONDS),
        master_listen_fd=point.listening if topology.is_first else None,
    )  # fmt: skip


def _disband() -> None:
    distributed.destroy_process_group()
    # The threads of gloo outlive their group, and let go of Python objects a moment after the
    # last collective. If the interpreter ends meanwhile, the process aborts, its work done.
    time.sleep(_SETTLING_SECONDS)
