"""The demo's steps as data: each is a histosyn command that could be typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from histosyn.phantom import SCHEMA
from launch.demo.facts import facts
from launch.demo.forecast import REPORT_EVERY
from launch.demo.readers import simulated_ratings
from launch.demo.shipped import MODEL

# About a minute on two cores (benchmarks/README.md).
TRAINING_STEPS = 40
PROCESSES = 2
UNSEEN = 48
_RATINGS, _FACTS = "ratings.csv", "facts.toml"


@dataclass(frozen=True, kw_only=True)
class Step:
    """The arguments of one command, and the file or folder whose presence shows that it is done.

    `again`: it takes a moment, and is done whenever the demo is run.
    """

    title: str
    command: tuple[str, ...]
    makes: Path
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Steps that end with a page of their own.

    `given` are files that no command makes, and their texts; `run` is the folder of a run that is
    trained on the way.
    """

    given: Mapping[Path, str]
    steps: tuple[Step, ...]
    page: Path
    shows: str
    run: Path | None = None


def shipped_chapter(folder: Path) -> Chapter:
    """Tissue of the model that histosyn ships, measured."""
    here, page = folder / "shipped", folder / "index.html"
    agreement = _step("agreement of three simulated readers", here / "agreement.json",
                      "eval", "agreement", here / _RATINGS, "--categories", "1,2,3,4,5",
                      "--margin", 0.2, "--json", here / "agreement.json")  # fmt: skip
    return Chapter(
        given={here / _FACTS: facts(readers=True), here / _RATINGS: simulated_ratings()},
        steps=(
            *_measured("the model that histosyn ships", MODEL, here),
            agreement,
            _page(here, page, "histosyn demo: tissue of the model that is shipped"),
        ),
        page=page,
        shows="tissue of the model that histosyn ships, measured",
    )


def training_chapter(folder: Path, training_steps: int = TRAINING_STEPS) -> Chapter:
    """The way to a model of one's own: a minute of training from nothing, on phantom tissue."""
    phantom, packed, here = folder / "phantom", folder / "packed", folder / "trained"
    run, page = here / "run", folder / "training.html"
    learn = (
        _step("phantom tissue to learn from", phantom / "phantom.csv",
              "phantom", phantom, "--count", 128),
        _step("is the data fit for training?", here / "doctor.json",
              "doctor", phantom / "tiles", phantom / "labels", "--schema", SCHEMA,
              "--json", here / "doctor.json"),
        _step("pack into shards", packed / "train/dataset.json",
              "pack", phantom / "tiles", phantom / "labels", packed, "--schema", SCHEMA,
              "--source-mpp", "1.0", "--groups", phantom / "phantom.csv", "--val", 0.1),
        _step(f"train from nothing, for a minute, on {PROCESSES} processes",
              run / "model/model.safetensors",
              "train", "--processes", PROCESSES, "--data.shards", packed / "train",
              "--preset", "fast", "--run.folder", run, "--run.steps", training_steps,
              "--run.ema-decay", 0.96, "--run.sample-every", training_steps,
              "--run.checkpoint-every", training_steps,
              "--run.report-every", REPORT_EVERY, "--run.recalibrate-batches", 4),
    )  # fmt: skip
    copied = _step(
        "is anything copied from the training tiles?", here / "memorization.json",
        "eval", "memorization", packed / "train", here / "tissue", "--held-out", packed / "val",
        "--extractor", "random", "--sheet", here / "memorization.png",
        "--json", here / "memorization.json",
    )  # fmt: skip
    measured = _measured("this minute's model", run, here)
    report = _page(here, page, "histosyn demo: a minute of training")
    return Chapter(
        given={here / _FACTS: facts(readers=False)},
        steps=(*learn, *measured, copied, report),
        page=page,
        shows="what a minute of training comes to, from nothing",
        run=run,
    )


def _measured(of: str, model: Path, here: Path) -> tuple[Step, ...]:
    """Tissue of a model for label maps that it has not seen, beside the phantom's own."""
    unseen, tissue = here / "unseen", here / "tissue"
    real, groups = unseen / "tiles", ("--groups", unseen / "phantom.csv")
    return (
        _step("label maps that no training has seen, and their phantom tissue",
              unseen / "phantom.csv",
              "phantom", unseen, "--count", UNSEEN, "--seed", 1),
        _step(f"tissue by {of}", tissue / "manifest.jsonl",
              "synth", model, unseen / "labels", tissue),
        _step("distance from the phantom (a seeded random network in place of Inception)",
              here / "fid.json",
              "eval", "fid", real, tissue, "--extractor", "random", *groups,
              "--json", here / "fid.json"),
        _step("hematoxylin and eosin, by class of tissue", here / "stain.json",
              "eval", "stain", real, tissue, "--real-labels", unseen / "labels",
              "--labels", unseen / "labels", "--schema", SCHEMA, *groups,
              "--json", here / "stain.json"),
    )  # fmt: skip


def _page(here: Path, page: Path, title: str) -> Step:
    return _step("all of it as one page", page,
                 "report", here, "--out", page, "--title", title, "--facts", here / _FACTS,
                 again=True)  # fmt: skip


def _step(title: str, makes: Path, *command: object, again: bool = False) -> Step:
    return Step(title=title, command=tuple(map(str, command)), makes=makes, again=again)
