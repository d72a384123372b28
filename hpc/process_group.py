"""The process group and the device of a run: the only caller of `init_process_group`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from hpc.errors import InputError
from hpc.topology import Topology

_SETTLING_SECONDS = 0.2


def device_of(topology: Topology, wanted: str = "auto") -> torch.device:
    """The device of this process: its own GPU, or the CPU.

    `wanted` is "auto", "cpu" or "cuda". Raises InputError if there are fewer GPUs than processes.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if wanted not in ("auto", "cuda"):
        raise InputError(f"device {wanted!r} is none of auto, cpu, cuda.")
    count = torch.cuda.device_count()
    if topology.local_rank >= count:
        raise InputError(
            f"Process {topology.local_rank} of this node has no GPU of its own: there are {count}. "
            "Start fewer processes a node, or choose the CPU as the device."
        )
    return torch.device("cuda", topology.local_rank)


@contextmanager
def process_group(
    topology: Topology, device: torch.device, *, timeout_seconds: float = 600
) -> Iterator[None]:
    """Join the group of all ranks during the block; at world size 1 there is nothing to join."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if topology.world_size == 1:
        yield
        return
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        rank=topology.rank,
        world_size=topology.world_size,
        timeout=timedelta(seconds=timeout_seconds),
    )
    try:
        # Nobody leaves before all have arrived and, if all goes well, before all are done: who
        # still connects, or still reads, would see the connection closed and take it for a crash.
        distributed.barrier()
        yield
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
        # The threads of gloo outlive their group, and let go of Python objects a moment after the
        # last collective. If the interpreter ends meanwhile, the process aborts, its work done.
        time.sleep(_SETTLING_SECONDS)
