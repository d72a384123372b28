"""New label maps a second and core: warps alone, and all operations, objects included.

python benchmarks/new_labels.py [--seconds 5] [--side 256] [--labels FOLDER --schema prostate-3]

Without --labels of phantom's maps. A process takes each map apart once, so the first maps of many
large ones cost more: they are not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from histosyn.labels.label_map import label_png_bytes, load_schema
from histosyn.new_labels.folder import planned_work
from histosyn.new_labels.growing import window_of
from histosyn.new_labels.making import make_map
from histosyn.new_labels.settings import NewLabelSettings
from histosyn.new_labels.sources import read_sources
from histosyn.new_labels.warps import warped
from histosyn.phantom import SCHEMA, render_phantom

_MAPS = 16


def rate(function: Callable[[int], object], seconds: float) -> float:
    """Calls a second of this process's CPU time: other work on the machine does not count."""
    function(0)
    start, calls = time.process_time(), 0
    while time.process_time() - start < seconds:
        calls += 1
        function(calls)
    return calls / (time.process_time() - start)


def _of_phantom(folder: Path, side: int) -> Path:
    schema = load_schema(SCHEMA)
    for number in range(_MAPS):
        data = label_png_bytes(render_phantom(0, number, side)[1], schema)
        (folder / f"{number}.png").write_bytes(data)
    return folder


def main() -> None:
    """Print both rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--schema", default=SCHEMA)
    options = parser.parse_args()
    schema = load_schema(options.schema)
    with TemporaryDirectory() as folder:
        labels = options.labels or _of_phantom(Path(folder), options.side)
        sources = read_sources(labels, schema, 1)
        work = planned_work(sources, NewLabelSettings(size=(options.side, options.side)))
        rng = np.random.default_rng(0)
        windows = [
            window_of(sources.read(number), (options.side, options.side), rng)
            for number in range(min(_MAPS, len(sources.maps)))
        ]
        maps = [window for window in windows if window is not None]
        for number in range(len(sources.maps)):
            sources.apart(number)

        def warp(number: int) -> np.ndarray:
            rng = np.random.default_rng(number)
            return warped(maps[number % len(maps)], rng, turn=9.0, zoom=1.05, bend=8.0)

        print(f"warps: {rate(warp, options.seconds):.0f} maps of {options.side} px a second")
        made = rate(lambda number: make_map(work, number), options.seconds)
        print(f"all operations, checked: {made:.1f} maps of {options.side} px a second")


if __name__ == "__main__":
    main()
