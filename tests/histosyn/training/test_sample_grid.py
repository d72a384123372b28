from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from marks import is_marked
from PIL import Image
from tissue import SCHEMA, pack_blobs, tiny_config

from histosyn.networks.generator import Generator
from histosyn.networks.inference import to_uint8
from histosyn.shards.dataset import open_shards
from histosyn.spectra.energies import NAMES, SPECTRUM_NAMES
from histosyn.training.run import run_training
from histosyn.training.sample_grid import SampleGrid
from hpc.log import RecordsFile


def test_to_uint8_covers_the_range_and_keeps_order() -> None:
    tiles = torch.tensor([-1.0, 0.0, 1.0, 1.5]).reshape(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert to_uint8(tiles)[0, 0, :, 0].tolist() == [0, 128, 255, 255]


def test_the_grid_is_the_same_at_every_step(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=10, size=64)
    config = tiny_config(shards, tmp_path / "run").generator
    torch.manual_seed(0)
    generator = Generator(config, len(SCHEMA)).eval()
    first, second = (
        SampleGrid(open_shards(shards), seed=4, crop=32).draw(generator) for _ in range(2)
    )
    assert first == second
    assert is_marked(first.png)
    with Image.open(io.BytesIO(first.png)) as image:
        assert image.width == 8 * 32 + 9 * 4
        # Below two lines of text.
        labels = np.asarray(image)[48:80, 4:36].reshape(-1, 3)
    assert {tuple(color) for color in labels} <= {tuple(color) for color in SCHEMA.palette}


def test_the_spectra_of_the_grid_are_noted_step_by_step(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=10, size=64)
    config = tiny_config(shards, tmp_path / "run", steps=4, sample_every=2)
    run_training(config)
    noted = RecordsFile(tmp_path / "run/spectra.jsonl").read()
    assert [record["step"] for record in noted] == [2, 4]
    assert noted[0].keys() == {"step", *NAMES}
    assert all(noted[1][name] > 0 for name in SPECTRUM_NAMES)
    # Tiles of 64 pixels hold two waves of this period.
    assert noted[1]["weave_32"] is None


def test_what_was_noted_after_the_step_that_is_drawn_again_is_forgotten(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=10, size=64)
    records = RecordsFile(tmp_path / "run/spectra.jsonl")
    records.path.parent.mkdir()
    records.append(*({"step": step, "weave_2": 9.0} for step in (1, 2, 3)))
    run_training(tiny_config(shards, tmp_path / "run", steps=2, sample_every=2))
    assert [(record["step"], record["weave_2"] == 9.0) for record in records.read()] == [
        (1, True),
        (2, False),
    ]
