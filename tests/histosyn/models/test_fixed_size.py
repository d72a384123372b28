"""Models of one tile size: a label map of another one is refused before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tissue import SCHEMA, blobs

from histosyn.config.networks import GeneratorConfig
from histosyn.labels.label_map import label_png_bytes
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import load_model, save_model
from histosyn.networks.generator import Generator
from histosyn.synthesis.folder import Outcome, SynthesisConfig, synthesize, synthesize_folder
from hpc.errors import LabelError

SIDE = 32
GENERATOR = GeneratorConfig(
    base_channels=4, upsamplings=4, max_multiplier=4, label_channels=8, noise_channels=8,
    entry="linear", grid_size=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "model"
    facts = ModelFacts(
        generator=GENERATOR, schema=SCHEMA, tile_size=(SIDE, SIDE), mpp=None, training={}
    )
    save_model(folder, Generator(GENERATOR, len(SCHEMA)), facts)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    for index in range(3):
        write_label_map(tmp_path / "labels" / f"{index}.png", SIDE)
    return tmp_path / "labels"


def write_label_map(path: Path, side: int) -> None:
    path.write_bytes(label_png_bytes(blobs(1, side)[1], SCHEMA))


def synthesized(model_folder: Path, labels: Path, out: Path, variants: int = 1) -> Outcome:
    model = load_model(model_folder, torch.device("cpu"))
    return synthesize_folder(model, labels, out, SynthesisConfig(seed=1, variants=variants))


def test_label_maps_of_that_size_become_tissue(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    assert len(synthesized(model_folder, labels, tmp_path / "out").made) == 3
    # The same label map under another name, and alone: its noise is keyed by its name.
    zero, one = ((tmp_path / "out" / f"{i}.png").read_bytes() for i in range(2))
    assert zero != one
    for name in ("1.png", "2.png"):
        (labels / name).unlink()
    synthesized(model_folder, labels, tmp_path / "alone")
    assert (tmp_path / "alone" / "0.png").read_bytes() == zero


def test_variants_differ(model_folder: Path, labels: Path, tmp_path: Path) -> None:
    synthesized(model_folder, labels, tmp_path / "out", variants=2)
    assert len({path.read_bytes() for path in (tmp_path / "out").glob("*.png")}) == 6


def test_another_size_is_refused_before_any_work(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    write_label_map(labels / "1.png", 40)
    write_label_map(labels / "2.png", 24)
    with pytest.raises(
        LabelError, match=r"1\.png is 40x40 pixels.*tiles of 32x32 only \(2 such label maps\)"
    ):
        synthesized(model_folder, labels, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_label_map_that_cannot_be_read_is_reported_and_the_others_are_done(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    (labels / "1.png").write_text("no image")
    outcome = synthesized(model_folder, labels, tmp_path / "out")
    assert list(outcome.failed) == [str(labels / "1.png")]
    assert outcome.made == ("0.png", "2.png")


def test_one_label_map_of_another_size_is_refused_too(model_folder: Path) -> None:
    model = load_model(model_folder, torch.device("cpu"))
    with pytest.raises(LabelError, match="label map is 31x32 pixels"):
        synthesize(model, np.zeros((32, 31), dtype=np.uint8), 0)


def test_the_model_card_says_so(model_folder: Path) -> None:
    assert "this size only" in (model_folder / "README.md").read_text()
