"""`python -m launch.demo FOLDER`: the whole way from phantom tissue to a page with the results.

Every step is a histosyn command that could be typed; each is printed before it runs. Steps whose
result is there already are not repeated, so an interrupted demo goes on where it stopped.
"""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from histosyn.phantom import SCHEMA
from hpc.files import write_text
from hpc.log import on_terminal
from hpc.randomness import generator_of, key_of
from launch.demo_forecast import REPORT_EVERY, Forecast
from launch.processes import child_answers
from launch.terminal.console import open_streams, say

# Under five minutes on two slow cores (benchmarks/README.md).
STEPS = 140
PROCESSES = 2
_LOOK_SECONDS = 1.0
PAGE = "index.html"
FACTS = """\
note = "Nothing here shows a patient: procedural phantom tissue, what a generator learned from it, \
and ratings of three readers who are made up."
intended-use = "To show what histosyn does. These numbers say nothing of real tissue."
data-source = "histosyn phantom: drawn by a program from a seed."
ethics = "Not applicable: no data of patients."
raters = "Simulated: each reader is off by one grade now and then."
"""
NEXT_STEPS = """histosyn doctor TILES LABELS --schema SCHEMA
histosyn pack TILES LABELS packed --schema SCHEMA --tile-size 256 --groups patients.csv --val 0.2
histosyn train --processes GPUS --data.shards packed/train --run.folder runs/first
histosyn synth runs/first NEW_LABELS tissue
histosyn eval fid REAL_TILES tissue --groups patients.csv --json results/fid.json
histosyn report results"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command and the file or folder whose presence shows that it is done.

    `again`: it takes a moment, and is done whenever the demo is run.
    """

    title: str
    command: list[str]
    makes: Path
    again: bool = False


def steps(folder: Path, training_steps: int = STEPS) -> list[Step]:
    """The demo's commands, in order."""
    phantom, new, packed = folder / "phantom", folder / "new", folder / "packed"
    run, tissue = folder / "run", folder / "tissue"
    histosyn = [str(Path(sys.executable).with_name("histosyn"))]
    return [
        Step(
            title="phantom tissue to learn from",
            command=[*histosyn, "phantom", str(phantom), "--count", "192"],
            makes=phantom / "phantom.csv",
        ),
        Step(
            title="is the data fit for training?",
            command=[*histosyn, "doctor", str(phantom / "tiles"), str(phantom / "labels"),
                     "--schema", SCHEMA, "--json", str(folder / "doctor.json")],
            makes=folder / "doctor.json",
        ),
        Step(
            title="pack into shards",
            command=[*histosyn, "pack", str(phantom / "tiles"), str(phantom / "labels"),
                     str(packed), "--schema", SCHEMA, "--source-mpp", "1.0",
                     "--groups", str(phantom / "phantom.csv"), "--val", "0.1"],
            makes=packed / "train" / "dataset.json",
        ),
        Step(
            title=f"train on {PROCESSES} processes (the long step)",
            command=[*histosyn, "train", "--processes", str(PROCESSES),
                     "--data.shards", str(packed / "train"),
                     "--preset", "fast", "--run.folder", str(run),
                     "--run.steps", str(training_steps), "--run.ema-decay", "0.99",
                     "--run.sample-every", "100", "--run.checkpoint-every", "100",
                     "--run.report-every", str(REPORT_EVERY)],
            makes=run / "model" / "model.safetensors",
        ),
        Step(
            title="label maps the generator has never seen",
            command=[*histosyn, "phantom", str(new), "--count", "64", "--seed", "1"],
            makes=new / "phantom.csv",
        ),
        Step(
            title="synthesize their tissue",
            command=[*histosyn, "synth", str(run), str(new / "labels"), str(tissue)],
            makes=tissue / "manifest.jsonl",
        ),
        Step(
            title="distance from the phantom (a seeded random network in place of Inception)",
            command=[*histosyn, "eval", "fid", str(new / "tiles"), str(tissue),
                     "--extractor", "random", "--groups", str(new / "phantom.csv"),
                     "--json", str(folder / "fid.json")],
            makes=folder / "fid.json",
        ),
        Step(
            title="hematoxylin and eosin, by class of tissue",
            command=[*histosyn, "eval", "stain", str(new / "tiles"), str(tissue),
                     "--real-labels", str(new / "labels"), "--labels", str(new / "labels"),
                     "--schema", SCHEMA, "--groups", str(new / "phantom.csv"),
                     "--json", str(folder / "stain.json")],
            makes=folder / "stain.json",
        ),
        Step(
            title="is anything copied from the training tiles?",
            command=[*histosyn, "eval", "memorization", str(packed / "train"), str(tissue),
                     "--held-out", str(packed / "val"), "--extractor", "random",
                     "--sheet", str(folder / "memorization.png"),
                     "--json", str(folder / "memorization.json")],
            makes=folder / "memorization.json",
        ),
        Step(
            title="agreement of three simulated readers",
            command=[*histosyn, "eval", "agreement", str(folder / "ratings.csv"),
                     "--categories", "1,2,3,4,5", "--margin", "0.2",
                     "--json", str(folder / "agreement.json")],
            makes=folder / "agreement.json",
        ),
        Step(
            title="all of it as one page",
            command=[*histosyn, "report", str(folder), "--out", str(folder / PAGE),
                     "--title", "histosyn demo", "--facts", str(folder / "facts.toml")],
            makes=folder / PAGE,
            again=True,
        ),
    ]  # fmt: skip


def main(folder: Path, training_steps: int = STEPS) -> None:
    """Run all steps, write the page, say where to look."""
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "ratings.csv", simulated_ratings())
    write_text(folder / "facts.toml", FACTS)
    plan = steps(folder, training_steps)
    say(
        "Two to five minutes on two cores, most of them for training: two where the processor "
        "computes bfloat16\nnatively (histosyn doctor --system tells). How long it takes here is "
        "measured in its first steps."
    )
    before = 0
    for number, step in enumerate(plan, 1):
        say(f"\n[{number}/{len(plan)}] {step.title}")
        say(f"  $ {_readable(step.command)}")
        if step.makes.exists() and not step.again:
            say("  done before")
            before += 1
            continue
        if _run(step, Forecast(folder / "run")):
            sys.exit(
                f"demo: step {number} ({step.title}) failed, see above. "
                "Run the same command again to go on from here."
            )
    say(
        f"\n{_ended(time.monotonic() - started, before, len(plan))}\n"
        f"Look at   {folder / PAGE} (one page, to read, print and send)\n"
        f"Numbers   {(folder / PAGE).with_suffix('.json')}, {folder / 'run/metrics.jsonl'}\n\n"
        f"With your own tiles and label maps:\n\n{_indented(NEXT_STEPS)}\n\n"
        "Every command explains itself with --help."
    )


def _run(step: Step, forecast: Forecast) -> int:
    """The exit code of its command, which has this terminal; tells the forecast when it is there.

    A request to stop reaches the command as well: it saves what it has, and the demo ends after it.
    """
    process = subprocess.Popen(step.command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    with child_answers(process) as asked:
        while True:
            try:
                code = process.wait(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if news := forecast.news():
                    # A line of its own, below what a progress bar shows at this moment.
                    say(f"\n{news}" if on_terminal() else news)
    if asked:
        say("demo: interrupted. Run the same command again to go on from here.", stderr=True)
        sys.exit(130)
    return code


def simulated_ratings(images: int = 20, readers: int = 3, seed: int = 0) -> str:
    """A CSV of made-up ratings in long form: each reader is off by one grade now and then."""
    random = generator_of(key_of(seed, "simulated ratings"))
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["image", "rater", "rating", "arm"])
    for arm in ("real", "synthetic"):
        for image in range(images):
            grade = int(random.integers(1, 6))
            for reader in range(readers):
                slip = int(random.choice([-1, 0, 0, 0, 1]))
                rating = min(max(grade + slip, 1), 5)
                writer.writerow([f"{arm}-{image:02d}", f"R{reader + 1}", rating, arm])
    return table.getvalue()


def _ended(seconds: float, before: int, steps: int) -> str:
    """How long it took; of a demo that went on, only what was left to do."""
    if not before:
        return f"Done in {seconds:.0f} s."
    return f"Done. {before} of {steps} steps were done before, the rest took {seconds:.0f} s."


def _readable(command: list[str]) -> str:
    """The command as one would type it in an activated environment."""
    scripts = str(Path(sys.executable).parent) + os.sep
    return shlex.join(part.removeprefix(scripts) for part in command)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m launch.demo FOLDER")
    open_streams()
    main(Path(sys.argv[1]))
