"""Synthesis in windows against synthesis of the whole image: time, peak memory, the same bytes.

    python benchmarks/windows.py [--channels 32] [--sizes 2048 8192 32768] [--pieces 2]

Each row is a process of its own: `whole` is one pass of the network over the image, `windows` what
`histosyn synth` does for a slide: label map on disk, pieces of 2048 pixels, compressed. Of a larger
image than one piece only so many pieces are made, the first and others inside, as pieces do not
differ. CPU seconds of one thread for a million pixels; peak resident memory of the process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch
from inference import folded, inferred
from label_maps import label_maps

from histosyn.config.networks import GeneratorConfig
from histosyn.labels.field import FileField
from histosyn.labels.schema import load_schema
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import Model
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import made_ready, to_uint8
from histosyn.pyramids.pieces import PIECE, Pieces
from histosyn.synthesis.field_tissue import FieldTissue
from hpc.determinism import deterministic

_SCENE, _CLASSES, _UNIT = "nuclei", 4, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 8192, 32768])
    parser.add_argument("--pieces", type=int, default=2)
    parser.add_argument("--memory", type=float, default=2.0)
    parser.add_argument("--way", choices=["whole", "windows"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.way:
        way = whole if given.way == "whole" else windows
        print(json.dumps(way(given.sizes[0], given.channels, given.pieces, given.memory)))
        return
    print("| way | size | pieces made | CPU seconds / Mpixel | peak GiB | same bytes |")
    print("|---|---|---|---|---|---|")
    rows: list[dict] = []
    least = min(given.sizes)
    for way, size in [("whole", least), *(("windows", size) for size in given.sizes)]:
        rows.append(row := _row(given, way, size))
        same = row["digest"] == rows[0]["digest"] if size == least else ""
        print(
            f"| {row['way']} | {row['size']} | {row['pieces']} | {row['seconds']:.2f} | "
            f"{row['peak_gib']:.2f} | {same} |",
            flush=True,
        )
    print(f"\ntime, windows / whole: {rows[1]['seconds'] / rows[0]['seconds']:.2f}")


def _row(given: argparse.Namespace, way: str, size: int) -> dict:
    command = [sys.executable, __file__, "--way", way, "--sizes", str(size)]
    command += ["--channels", str(given.channels), "--pieces", str(given.pieces)]
    command += ["--memory", str(given.memory)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"way": way, "size": size}


def whole(size: int, channels: int, pieces: int, memory: float) -> dict:
    model = _model(channels)
    labels = torch.from_numpy(_tiled(range(size), size)).long()[None]
    noise = draw_noise([1], model.facts.generator, size, size, torch.device("cpu"))
    began = time.process_time()
    with deterministic():
        tile = to_uint8(inferred(model.network, labels, noise))[0]
    return _measured(time.process_time() - began, 1, tile.size / 3, tile)


def windows(size: int, channels: int, pieces: int, memory: float) -> dict:
    model = _model(channels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        with path.open("wb") as file:
            for top in range(0, size, _UNIT):
                file.write(_tiled(range(top, top + _UNIT), size).tobytes())
        field = FileField(path, (size, size))
        work = Pieces(Path(folder), field.size, "jpeg")
        numbers = sorted({k * (len(work) - 1) // max(pieces, 1) for k in range(pieces)})
        began = time.process_time()
        tissue = FieldTissue(model, field, 1, memory_gib=memory)
        for number in numbers:
            rows, columns = work.box(number)
            pixels = tissue.pixels(rows, columns)
            work.write(number, pixels)
        seconds = time.process_time() - began
    return _measured(seconds, len(numbers), len(numbers) * min(size, PIECE) ** 2, pixels)


def _measured(seconds: float, pieces: int, pixels: float, tile: np.ndarray) -> dict:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": seconds / pixels * 1e6, "pieces": pieces, "peak_gib": peak,
        "digest": hashlib.sha256(tile.tobytes()).hexdigest(),
    }  # fmt: skip


@cache
def _unit() -> np.ndarray:
    return label_maps(_SCENE, _CLASSES, 1, _UNIT)[0].numpy().astype(np.uint8)


def _tiled(rows: range, width: int) -> np.ndarray:
    unit = _unit()
    return np.tile(unit, (-(-len(rows) // _UNIT), -(-width // _UNIT)))[: len(rows), :width]


def _model(channels: int) -> Model:
    config = GeneratorConfig(base_channels=channels)
    torch.manual_seed(0)
    network = made_ready(folded(Generator(config, _CLASSES)))
    facts = ModelFacts(
        generator=config, schema=load_schema("prostate-3"), tile_size=(512, 512), mpp=0.5,
        training={},
    )  # fmt: skip
    return Model(network=network, facts=facts, sha256="0" * 64)


if __name__ == "__main__":
    main()
