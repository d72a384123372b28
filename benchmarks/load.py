"""How long a model folder takes to load, and how much of that its sha256 and the disk take.

    python benchmarks/load.py [--channels 64] [--repeats 5]

A generator with random weights is saved into a temporary folder, so the file lies in the page
cache: reading from a cold disk comes on top. One thread; medians.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch

from histosyn.config.networks import GeneratorConfig
from histosyn.labels.schema import load_schema
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import load_model, save_model
from histosyn.networks.generator import Generator
from hpc.files import sha256_of_bytes
from hpc.weights import require_finite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        save(folder, given.channels)
        files = [path for path in folder.iterdir() if path.is_file()]
        mib = sum(path.stat().st_size for path in files) / (1 << 20)
        state = load_model(folder).network.state_dict()
        print(f"{given.channels} channels, {mib:.0f} MiB")
        for name, work in (
            ("load", lambda: load_model(folder, torch.device("cpu"))),
            ("read alone", lambda: [path.read_bytes() for path in files]),
            ("read and sha256", lambda: [sha256_of_bytes(path.read_bytes()) for path in files]),
            ("are they finite", partial(require_finite, state, "model")),
        ):
            print(f"{name:16} {seconds_of(work, given.repeats):.2f} CPU s")


def save(folder: Path, channels: int) -> None:
    schema, config = load_schema("prostate-3"), GeneratorConfig(base_channels=channels)
    facts = ModelFacts(generator=config, schema=schema, tile_size=(256, 256), mpp=None, training={})
    save_model(folder, Generator(config, len(schema)), facts)


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats + 1):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    # The first one warms up.
    return median(taken[1:])


if __name__ == "__main__":
    main()
