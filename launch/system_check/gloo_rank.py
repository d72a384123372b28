"""One of the processes that `launch.system_check.processes` starts."""

from __future__ import annotations

import sys

import torch

from hpc.collectives import sum_over_ranks
from hpc.process_group import device_of, process_group
from hpc.topology import detect

_TIMEOUT_SECONDS = 25


def main() -> None:
    """Join the group and sum the ranks' numbers; a wrong sum is an exit code."""
    topology = detect()
    device = device_of(topology, "cpu")
    with process_group(topology, device, timeout_seconds=_TIMEOUT_SECONDS):
        total = sum_over_ranks(torch.tensor([topology.rank + 1.0]))
    expected = topology.world_size * (topology.world_size + 1) / 2
    if total.item() != expected:
        sys.exit(f"the sum over ranks is {total.item()}, not {expected}")


if __name__ == "__main__":
    main()
