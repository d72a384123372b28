"""What it costs that nothing from outside is believed: this checkout beside an older one.

    git worktree add ../before 905922c
    python benchmarks/doors.py ../before --rounds 9

CPU seconds of the same work, the two taking turns in processes of their own. The ratio is the
median of the rounds' ratios: what else the machine does meets both of a round. Startup is that of
whole processes, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRAIN = (
    "train --data.shards packed/train --data.global-batch 4 --data.workers 0 --data.crop 128 "
    "--generator.base-channels 16 --generator.upsamplings 4 --discriminator.base-channels 8 "
    "--run.device cpu --run.precision float32 --run.sample-every 100000 --run.report-every 10 "
    "--run.checkpoint-every 10 --run.recalibrate-batches 2"
)
PREPARATION = (
    "phantom source --count 240 --size 256 --seed 1",
    "pack source/tiles source/labels packed --schema prostate-3",
    f"{TRAIN} --run.folder run --run.steps 10",
)
# Run in each checkout; the first time of each work warms up.
WORK = """
import contextlib, io, os, shutil, sys, time
from pathlib import Path
from launch.cli import main
from histosyn.shards.dataset import open_shards

# On one core all is done in this process, whose seconds are counted.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

def command(text):
    with contextlib.redirect_stdout(io.StringIO()):
        main(text.split())

def read():
    reader = open_shards(Path("packed/train"))
    for _ in range(2):
        for row in range(len(reader.index)):
            reader.read(*reader.index.place(row))

def fresh(folder, text):
    shutil.rmtree(folder, ignore_errors=True)
    command(text)

TRAIN = sys.argv[1]
WORK = {
    "packing": lambda: fresh("again", "pack source/tiles source/labels again --schema prostate-3"),
    "reading shards": read,
    "synth": lambda: fresh("made", "synth run/model some made --device cpu"),
    "training": lambda: fresh("new", f"{TRAIN} --run.folder new --run.steps 4"),
}
for name, work in WORK.items():
    spent = []
    for _ in range(2):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    print(f"{name}\\t{min(spent[1:])}")
"""
STARTUPS = ("--help", "doctor --help", "status run")


def main() -> None:
    options = _options()
    trees = {"before": options.before.absolute(), "now": ROOT}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: prepared(tree, Path(scratch, name)) for name, tree in trees.items()}
        works = rounds(options.rounds, trees, lambda tree: work_of(trees[tree], folders[tree]))
        startups = rounds(
            2 * options.rounds, trees, lambda tree: startups_of(trees[tree], folders[tree])
        )
    print("| CPU seconds | before | now | ratio |\n|---|---|---|---|")
    for name, (before, now) in works.items():
        ratio = statistics.median(b / a for a, b in zip(before, now, strict=True))
        print(f"| {name} | {_median(before):.3f} | {_median(now):.3f} | {ratio:.3f} |")
    print("\n| startup, ms | before | now | difference |\n|---|---|---|---|")
    for name, (before, now) in startups.items():
        more = statistics.median(b - a for a, b in zip(before, now, strict=True))
        print(f"| `histosyn {name}` | {_median(before) * 1e3:.0f} | {_median(now) * 1e3:.0f} "
              f"| {more * 1e3:+.0f} |")  # fmt: skip


def rounds(
    count: int, trees: Sequence[str], measure: Callable[[str], dict[str, float]]
) -> dict[str, tuple[list[float], list[float]]]:
    """What each tree spends on each work, round by round; who begins changes."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(count):
        order = list(trees) if number % 2 else list(trees)[::-1]
        spent = {tree: measure(tree) for tree in order}
        for name in spent["now"]:
            before, now = found.setdefault(name, ([], []))
            before.append(spent["before"][name])
            now.append(spent["now"][name])
    return found


def prepared(tree: Path, folder: Path) -> Path:
    """A folder with tiles, shards and a short run, made by this checkout."""
    folder.mkdir()
    for command in PREPARATION:
        python(tree, folder, "from launch.cli import main; main()", *command.split())
    labels = sorted((folder / "source" / "labels").iterdir())[:96]
    (folder / "some").mkdir()
    for path in labels:
        (folder / "some" / path.name).write_bytes(path.read_bytes())
    return folder


def work_of(tree: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each work."""
    lines = python(tree, folder, WORK, TRAIN).splitlines()
    return {name: float(seconds) for name, seconds in (line.split("\t") for line in lines)}


def startups_of(tree: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of whole processes."""
    spent = {}
    for command in STARTUPS:
        before = _children_seconds()
        python(tree, folder, "from launch.cli import main; main()", *command.split())
        spent[command] = _children_seconds() - before
    return spent


def python(tree: Path, folder: Path, code: str, *arguments: str) -> str:
    """What a program prints that finds its modules in `tree`."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code, *arguments],
        cwd=folder, env=environment, text=True, capture_output=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{tree}: {arguments} failed: {done.stderr[-2000:]}")
    return done.stdout


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


_median = statistics.median


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()
