"""doctor and pack on one process and on two: tiles a second, in turns.

    python benchmarks/processes.py TILES LABELS --schema NAME

Every file is read four times (--times), under other names: starting processes takes a second or
two. doctor's tiles are files, pack's are the 256-px tiles that it writes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--schema", required=True)
    parser.add_argument("--times", type=int, default=4)
    given = parser.parse_args()
    # Here, because each process imports this file anew, and needs less than the first one.
    from histosyn.doctor.diagnosis import Source, examine
    from histosyn.labels.label_map import load_schema
    from histosyn.packing.pack import PackConfig, pack

    schema = load_schema(given.schema)
    with tempfile.TemporaryDirectory() as temporary:
        tiles, labels = (
            multiply(folder, Path(temporary) / folder.name, given.times)
            for folder in (given.tiles, given.labels)
        )
        source = Source(tiles=tiles, labels=labels)

        def packed(tile_format: str) -> Callable[[int], int]:
            def run(processes: int) -> int:
                out = Path(temporary) / f"{tile_format}-{time.monotonic_ns()}"
                config = PackConfig(tile_size=256, tile_format=tile_format, samples_per_shard=128)
                indexes = pack(tiles, labels, out, schema, config, processes)
                return sum(map(len, indexes.values()))

            return run

        def doctor(processes: int) -> int:
            return examine(source, schema, processes=processes).pairs

        print("| work | 1 process (tiles/s) | 2 processes | ratio |\n|---|---|---|---|")
        compare("doctor", doctor)
        compare("pack, png", packed("png"))
        compare("pack, jpg", packed("jpg"))


def multiply(folder: Path, to: Path, times: int) -> Path:
    """Every file so many times, as links: a data set long enough to outlast the start-up."""
    for copy in range(times):
        (to / str(copy)).mkdir(parents=True)
        for path in folder.iterdir():
            (to / str(copy) / path.name).symlink_to(path.resolve())
    return to


def compare(name: str, work: Callable[[int], int]) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(REPEATS):
        for processes, found in rates.items():
            started = time.perf_counter()
            found.append(work(processes) / (time.perf_counter() - started))
    one, two = (statistics.median(found) for found in rates.values())
    print(f"| {name} | {one:.0f} | {two:.0f} | {two / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
