"""Images a second through Inception: ours against pytorch-fid, same folder, same seeded weights.

    python benchmarks/features.py TILES --count 96 --repeats 3

Crops of 256 pixels are cut from TILES into a temporary folder; the weights are random, which costs
as much as the published ones. The ways take turns and are timed from the first file to the last
feature, networks being built already: pytorch-fid's `get_activations` with and without loader
processes, and ours in one process and in two under torchrun. The largest relative difference of a
feature from pytorch-fid's, and of the Fréchet distance between the folder's halves, come with it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from eval.distances.frechet import frechet_distance_from_features
from eval.distances.parts import measure_together
from eval.extractors.inception import InceptionExtractor
from eval.extractors.torchvision_import import import_pytorch_fid
from eval.features.tile_sources import TileFolder
from histosyn.images.folder import find_images
from histosyn.images.tiles import read_tile
from hpc.collectives import barrier
from hpc.parallel import usable_cores
from hpc.process_group import process_group
from hpc.topology import detect

SIZE, BATCH = 256, 8


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("tiles", type=Path)
    options.add_argument("--count", type=int, default=96)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--as-rank", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.as_rank:
        as_rank(given.tiles, given.as_rank)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, weights = Path(temporary) / "crops", Path(temporary) / "weights.pth"
        write_crops(given.tiles, folder, given.count)
        torch.save(random_weights(), weights)
        compare(folder, weights, given.repeats)


def compare(folder: Path, weights: Path, repeats: int) -> None:
    network, extractor = network_of_pytorch_fid(weights), InceptionExtractor(weights)
    source = TileFolder(folder=folder)
    features: dict[str, np.ndarray] = {}

    def ours() -> float:
        start = time.perf_counter()
        part = measure_together(source, extractor, batch_size=BATCH, progress=None)
        features["ours"] = part.features.kept_MD
        return time.perf_counter() - start

    def theirs(workers: int) -> float:
        from pytorch_fid.fid_score import get_activations

        start = time.perf_counter()
        paths = sorted(folder.iterdir())
        features["theirs"] = get_activations(paths, network, BATCH, num_workers=workers)
        return time.perf_counter() - start

    ways: dict[str, Callable[[], float]] = {
        "pytorch-fid, one process": lambda: theirs(0),
        "pytorch-fid, two loader processes": lambda: theirs(2),
        "histosyn, one process": ours,
        "histosyn, two processes": lambda: two_processes(folder, weights),
    }
    blank = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8)
    extractor(blank), network(torch.zeros(BATCH, 3, SIZE, SIZE))
    turns: list[dict[str, float]] = []
    for _ in range(repeats):
        turns.append({})
        for name, way in ways.items():
            turns[-1][name] = len(source) / way()
            print(f"{name}: {turns[-1][name]:.2f}", file=sys.stderr, flush=True)
    table = Table("way", "images a second", "against pytorch-fid, one process")
    for name in ways:
        ratio = median(turn[name] / turn["pytorch-fid, one process"] for turn in turns)
        table.add_row(name, f"{median(turn[name] for turn in turns):.1f}", f"{ratio:.2f}")
    Console(width=100).print(table)
    print_differences(**features)


def print_differences(ours: np.ndarray, theirs: np.ndarray) -> None:
    relative = np.abs(ours - theirs).max() / np.abs(theirs).max()
    half = len(ours) // 2
    distances = [frechet_distance_from_features(one[:half], one[half:]) for one in (ours, theirs)]
    print(f"largest difference of a feature: {relative:.1e} of the largest feature")
    print(f"Fréchet distance of halves: ours {distances[0]:.9g}, of theirs {distances[1]:.9g}")


def two_processes(folder: Path, weights: Path) -> float:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
               "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
               __file__, str(folder), "--as-rank", str(weights)]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(shown.splitlines()[-1]))


def as_rank(folder: Path, weights: Path) -> None:
    topology = detect()
    # torchrun leaves each process a single core.
    torch.set_num_threads(max(usable_cores() // topology.world_size, 1))
    extractor, source = InceptionExtractor(weights), TileFolder(folder=folder)
    extractor(np.zeros((BATCH, SIZE, SIZE, 3), np.uint8))
    with process_group(topology, torch.device("cpu")):
        barrier()
        start = time.perf_counter()
        measure_together(source, extractor, batch_size=BATCH, progress=None)
        seconds = time.perf_counter() - start
    if topology.is_first:
        print(json.dumps(seconds))


def write_crops(tiles: Path, folder: Path, count: int) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = find_images(tiles)
    for number in range(count):
        tile_HWC = read_tile(paths[number % len(paths)])
        top, left = (int(random.integers(length - SIZE)) for length in tile_HWC.shape[:2])
        crop = tile_HWC[top : top + SIZE, left : left + SIZE]
        Image.fromarray(crop).save(folder / f"{number:04d}.png")


def random_weights() -> dict[str, torch.Tensor]:
    """Seeded random weights in the architecture of pytorch-fid."""
    inception = import_pytorch_fid()
    load = torch.nn.Module.load_state_dict
    built: list[torch.nn.Module] = []
    torch.nn.Module.load_state_dict = lambda module, state: built.append(module)
    inception.load_state_dict_from_url = lambda url, **options: {}
    inception.fid_inception_v3()
    torch.nn.Module.load_state_dict = load
    generator = torch.Generator().manual_seed(0)
    state = built[0].state_dict()
    for weight in state.values():
        if weight.ndim > 1:
            scale = (2 / weight[0].numel()) ** 0.5
            weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
    return state


def network_of_pytorch_fid(weights: Path) -> torch.nn.Module:
    inception = import_pytorch_fid()
    state = torch.load(weights, weights_only=True)
    inception.load_state_dict_from_url = lambda url, **options: state
    return inception.InceptionV3([3]).eval()


if __name__ == "__main__":
    main()
