"""The commands in README and docs, as they stand there but smaller, on drawn tissue.

Each page has the same world of files before it, by the names that the pages use. Trainings have two
steps, distances the extractor that needs no weights, jobs are printed and not queued. What a page
says is not run, in a mark that tells why, is not; `tests/test_tutorial.py` runs the tutorial.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from docs_blocks import PAGES, ROOT, blocks, words_of
from PIL import Image
from slides import feature, rectangle, tissue, write_geojson, write_slide
from tissue import SCHEMA, tiny_config, write_folders

from histosyn.config.file import as_toml
from histosyn.images.origin import synthetic_png_bytes
from histosyn.images.tiles import png_bytes
from launch.cli import main

pytestmark = pytest.mark.slow

# What is written in the docs, and in place of it here.
SMALLER = (
    (r"--tile-size \d+", "--tile-size 32"),
    (r"--overlap \d+", "--overlap 8"),
    (r"--data.crop \d+", "--data.crop 32"),
    (r"--run.steps \d+", "--run.steps 2"),
    (r"--val 0.2 --test 0.2", "--val 0.34 --test 0.34"),
    (r"--extractor efficientnet-lite2", "--extractor random"),
    (r"--count \d+", "--count 3"),
    (r"--extent \d+x\d+", "--extent 128x128"),
    (r" --processes \d+", ""),
    (r"--part \d+/\d+", "--part 1/1"),
    # Simulated studies, and one of twelve tiles.
    (r"--readers 3,5,8 --images 50,100,200", "--readers 3 --images 20"),
    (r"--images 100 ", "--images 8 "),
    # A class of the schema here.
    (r"--unannotated stroma", "--unannotated non-epithelium"),
)
# What a command is given besides.
BESIDES = {
    "train --data": "--config tiny.toml",
    "train --config": "--run.folder runs/other",
    "submit": "--dry-run",
    "eval segmenter train": "--config segmenter.toml",
    **dict.fromkeys(
        ("eval fid", "eval c2st", "eval diversity", "eval memorization"), "--extractor random"
    ),
}
SEGMENTER = """\
[data]
global_batch = 2
workers = 0
[network]
base_channels = 4
halvings = 2
[run]
steps = 2
device = "cpu"
report_every = 1
"""
# Pages that have commands to be run, and no test of their own.
SHOWN = [
    page
    for page in PAGES
    if page.name != "tutorial.md" and any(b.is_run(line) for b in blocks(page) for line in b.lines)
]


def test_pages_have_commands_that_are_run() -> None:
    assert len(SHOWN) > 10


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything that a page may take for granted."""
    before, root = Path.cwd(), tmp_path_factory.mktemp("docs")
    os.chdir(root)
    write_folders(root)
    facts = [f"{path.name},P{n // 2}" for n, path in enumerate(sorted(Path("tiles").iterdir()))]
    Path("patients.csv").write_text("\n".join(["tile,patient", *facts]))
    main(
        [
            "pack",
            "tiles",
            "labels",
            "packed",
            "--schema",
            "prostate-3",
            "--groups",
            "patients.csv",
            "--val",
            "0.34",
        ]
    )
    shutil.copy("patients.csv", "facts.csv")
    Path("study.toml").write_text('ethics = "nobody is shown"')
    tiny = as_toml(tiny_config(Path("packed/train"), Path("runs/first"), steps=2, sample_every=1))
    tiny = tiny.replace("global_batch = 4", "global_batch = 8")
    Path("train.toml").write_text(tiny)
    # Paths of the command line go before it.
    Path("tiny.toml").write_text(re.sub(r"(?m)^(shards|folder) = .*\n", "", tiny))
    Path("segmenter.toml").write_text(SEGMENTER)
    main(["train", "--config", "train.toml"])
    main(
        [
            "eval",
            "segmenter",
            "train",
            "packed/train",
            "runs/segmenter",
            "--config",
            "segmenter.toml",
        ]
    )
    main(["init", "site"])
    main(["synth", "runs/first", "labels", "tissue"])
    for copy in ("mine", "second"):
        shutil.copytree("runs/first", f"runs/{copy}")
    for copy in ("annotator1", "annotator2", "training-labels", "new_labels", "edited"):
        shutil.copytree("labels", copy)
    for copy in ("real", "REAL"):
        shutil.copytree("tiles", copy)
    shutil.copytree("tissue", "SYNTHETIC")
    large = Image.fromarray(np.concatenate([tissue(64, 64, seed) for seed in range(8)], axis=1))
    Path("large.png").write_bytes(synthetic_png_bytes(large))
    write_ratings()
    write_slides()
    write_objects()
    yield root
    os.chdir(before)


def write_ratings() -> None:
    """What readers said: grades by arm, and how sure they were."""
    random = np.random.default_rng(0)
    rows = [f"S{n},R{rater},{random.integers(1, 6)},{('real', 'synthetic')[n % 2]}"
            for n in range(12) for rater in range(2)]  # fmt: skip
    for name in ("ratings.csv", "sure.csv"):
        Path(name).write_text("\n".join(["image,rater,rating,arm", *rows]))


def write_slides() -> None:
    """Slides with annotations, and what TileExporter writes of a slide."""
    Path("export").mkdir()
    for number in range(1, 5):
        write_slide(Path(f"slides/S{number}.tif"), tissue(128, 128, number), mpp=0.5)
        halves = (feature("nuclei", rectangle(0, 0, 64, 128), (108, 3, 7)),
                  feature("epithelium", rectangle(64, 0, 128, 128), (252, 247, 49)))  # fmt: skip
        write_geojson(Path(f"annotations/S{number}.geojson"), *halves)
        name = f"export/S{number} [d=2,x=0,y=0,w=64,h=64]"
        Image.open(f"tiles/tile-0{number}.png").save(f"{name}.jpg")
        shutil.copy(f"labels/tile-0{number}.png", f"{name}.png")


def write_objects() -> None:
    """Numbered glands, of tiles of the same names."""
    Path("anno").mkdir()
    for path in Path("tiles").iterdir():
        numbers = np.zeros((64, 64), np.uint8)
        for n in range(4):
            numbers[8:24, 14 * n + 4 : 14 * n + 12] = n + 1
        Path(f"anno/{path.stem}_anno.png").write_bytes(png_bytes(Image.fromarray(numbers)))


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.name)
def test_commands_of_a_page_run(
    page: Path,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(shutil.copytree(world, tmp_path / "world"))
    for block in blocks(page):
        for line in filter(block.is_run, block.lines):
            program, *words = words_of(smaller(line))
            assert program == "histosyn", f"{page.name}: {line}"
            make_room(words)
            try:
                main(words)
            except SystemExit as stop:
                raise AssertionError(f"{line}: {capsys.readouterr().err}") from stop


def smaller(line: str) -> str:
    """A line as it is run here."""
    for written, here in SMALLER:
        line = re.sub(written, here, line)
    besides = (more for command, more in BESIDES.items() if line.startswith(f"histosyn {command}"))
    return " ".join([line, *(more for more in besides if more.split()[0] not in line)])


def make_room(words: list[str]) -> None:
    """Remove what the page is about to make, and the world had before, or the lines above made."""
    words = words[words[0] == "submit" :]
    named = dict(pairwise(words))
    made = {
        "pack": ["packed"],
        "init": [f"{words[1]}.toml"],
        "synth": ["tissue", "tissue-labels"] * ("tissue" in words),
        "labels": ["new"],
        "eval": ["runs/segmenter"] * (words[1] == "segmenter"),
        "train": [named.get("--run.folder", "")],
    }.get(words[0], [])
    for name in filter(None, made):
        path = Path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_what_is_run_is_found() -> None:
    assert smaller("histosyn submit eval fid --parts 16 a b").endswith("a b --dry-run")
    assert smaller("histosyn eval fid a b") == "histosyn eval fid a b --extractor random"
    assert SCHEMA.name == "prostate-3" and (ROOT / "docs").is_dir()
