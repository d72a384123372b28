"""What it costs that all ranks agree, at each edge of a step, whether to stop.

    python benchmarks/stop_request.py [--steps 100]

Two gloo ranks with one thread each train tiny networks on phantom tissue, with and without the
agreement in turns, and print the median step of each, and the time that a step's edge takes itself.
The watchdog and the listening thread run all the time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from histosyn.config.data import DataConfig
from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import load_schema
from histosyn.packing.pack import PackConfig, pack
from histosyn.phantom import write_phantom
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import open_stream
from histosyn.training.trainer import Trainer
from hpc.preemption import StopRequest
from hpc.process_group import process_group
from hpc.topology import detect

RANKS = 2
BLOCK_STEPS = 10
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="in each of the two ways")
    parser.add_argument("--shards", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shards is not None:
        measure(arguments.shards, arguments.steps)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_phantom(root / "phantom", count=16, size=64, seed=0)
        folders = root / "phantom" / "tiles", root / "phantom" / "labels"
        pack(*folders, root / "packed", load_schema("prostate-3"), PackConfig())
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(RANKS),
            "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", __file__,
            "--steps", str(arguments.steps), "--shards", str(root / "packed" / "train"),
        ]  # fmt: skip
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def measure(shards: Path, steps: int) -> None:
    topology = detect()
    folder = shards.parent / "run"
    config = TrainConfig(
        data=DataConfig(shards=shards, global_batch=4, workers=1),
        generator=GeneratorConfig(
            base_channels=4, max_multiplier=4, upsamplings=4, label_channels=8, noise_channels=8
        ),
        discriminator=DiscriminatorConfig(base_channels=4, layers=3, scales=2),
        run=RunConfig(folder=folder, steps=2 * steps + BLOCK_STEPS, device="cpu"),
    )
    with (
        StopRequest(folder, seconds_before_end=0) as stop,
        process_group(topology, CPU),
        stop.at_step_boundaries(CPU),
    ):
        stream = open_stream(config, topology)
        trainer = Trainer(config, stream, Adversaries(config, len(stream.index.schema), CPU), CPU)
        clock = Clock(stop)
        trainer.train((clock,))
    if topology.is_first:
        clock.report()


class Clock:
    """Times the steps; agrees to stop or not in every other block of them."""

    interval = 1

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.edges: list[float] = []
        self.started = time.perf_counter()

    def __call__(self, trainer: Trainer) -> None:
        agrees = bool(trainer.step // BLOCK_STEPS % 2)
        before = time.perf_counter()
        if agrees:
            self.stop.agreed()
        now = time.perf_counter()
        # The first steps are slow, and those in which the way changes are neither.
        if trainer.step > BLOCK_STEPS and trainer.step % BLOCK_STEPS:
            self.seconds[agrees].append(now - self.started)
            if agrees:
                self.edges.append(now - before)
        self.started = now

    def report(self) -> None:
        with_it, without = (statistics.median(self.seconds[agrees]) for agrees in (True, False))
        edge = statistics.median(self.edges)
        print("| | ms | of a step |")
        print("|---|---|---|")
        print(f"| step without agreement | {1e3 * without:.2f} | |")
        print(f"| step with it | {1e3 * with_it:.2f} | {with_it / without - 1:+.2%} |")
        print(f"| of which at the edge itself | {1e3 * edge:.3f} | {edge / without:.2%} |")


if __name__ == "__main__":
    main()
