"""The small model that the package ships: python docs/make_demo_model.py OUT [--steps 3200]

Draws phantom tissue, trains the recipe on it with networks that fit into three megabytes, and puts
the generator, in bfloat16, in place of launch/demo/model, and label maps to start from in place of
launch/demo/labels. An hour and a quarter of one core of an AMD EPYC with AVX-512-BF16; the same
command goes on where it stopped. Another kind of processor rounds otherwise, and so comes to
another hash.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[1] / "launch/demo"
TILES = ("--count", "600", "--size", "192", "--seed", "2")
TRAINING = (
    "--preset", "fast", "--data.crop", "128", "--data.workers", "0",
    "--generator.base-channels", "12", "--generator.label-channels", "32",
    "--generator.max-multiplier", "8", "--discriminator.grain-channels", "16",
    "--optimizer.generator-lr", "5e-4", "--optimizer.discriminator-lr", "5e-4",
    "--run.precision", "bfloat16", "--run.device", "cpu", "--run.sample-every", "200",
)  # fmt: skip
# Label maps to paint on: glands of several kinds, and a border of the tissue.
EXAMPLES = ("--count", "35", "--size", "256", "--seed", "3")
SHOWN = ("00003", "00006", "00014", "00021", "00029", "00034")


def main() -> None:
    """Draw, pack, train; each step that is done is not done again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=3200)
    options = parser.parse_args()
    phantom, packed, run = (options.out / name for name in ("phantom", "packed", "run"))
    if not (phantom / "phantom.csv").exists():
        histosyn("phantom", phantom, *TILES)
    if not (packed / "train").exists():
        histosyn("pack", phantom / "tiles", phantom / "labels", packed, "--schema", "prostate-3",
                 "--source-mpp", "1.0", "--groups", phantom / "phantom.csv")  # fmt: skip
    histosyn("train", "--data.shards", packed / "train", "--run.folder", run,
             "--run.steps", options.steps, *TRAINING)  # fmt: skip
    histosyn("export", run, DEMO / "model", "--weights", "bfloat16")
    state_origin(DEMO / "model/README.md", options.steps)
    examples = options.out / "examples"
    if not (examples / "phantom.csv").exists():
        histosyn("phantom", examples, *EXAMPLES)
    for number in SHOWN:
        shutil.copy(examples / f"labels/phantom-{number}.png", DEMO / "labels")


def state_origin(card: Path, steps: int) -> None:
    """Origin and licence, into the places that a card leaves for them."""
    text = card.read_text(encoding="utf-8")
    (blank,) = (line for line in text.splitlines() if line.endswith("say them here"))
    origin = (
        "- phantom tissue: drawn by a program (`histosyn phantom`), no data of patients\n"
        f"- made by `python docs/make_demo_model.py OUT --steps {steps}` of histosyn's repository"
    )
    licensed = text.replace("license: other", "license: apache-2.0", 1)
    card.write_text(licensed.replace(blank, origin), encoding="utf-8")


def histosyn(*arguments: object) -> None:
    """A command of ours, on one thread: two would come to other last digits."""
    command = [sys.executable, "-m", "histosyn", *map(str, arguments)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
