"""`histosyn submit` of job arrays on a real SLURM: parts amount to what one process makes."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from slurm_cluster import BIN, SITE, running_slurm, slurm_marks
from tissue import SCHEMA, write_folders

from histosyn.config.networks import GeneratorConfig
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import save_model
from histosyn.networks.generator import Generator

pytestmark = slurm_marks()


@pytest.fixture(scope="module")
def slurm():
    with running_slurm(nodes=2) as cluster:
        yield cluster


@dataclass(frozen=True)
class Project:
    """A user's folder, and histosyn run in it without SLURM."""

    folder: Path

    def alone(self, *tokens):
        command = [BIN / "histosyn", *tokens]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        result = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


@pytest.fixture
def project(tmp_path):
    """A tiny model, five label maps with tiles, a site file."""
    config = GeneratorConfig(
        base_channels=4, upsamplings=4, max_multiplier=2, label_channels=4, noise_channels=4
    )
    facts = ModelFacts(
        generator=config, schema=SCHEMA, tile_size=(32, 32), mpp=None, training={"steps": 0}
    )
    torch.manual_seed(0)
    save_model(tmp_path / "model", Generator(config, len(SCHEMA)), facts)
    write_folders(tmp_path, count=5, size=32)
    (tmp_path / "site.toml").write_text(SITE)
    return Project(tmp_path)


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "slurm"
    }


def test_an_array_packs_what_one_process_packs(slurm, project):
    """Three parts of five pairs; the job after them reads none of these again."""
    arguments = ("--schema", "prostate-3", "--samples-per-shard", "2", "--val", "0.4")
    told = slurm.run(
        *(str(BIN / "histosyn"), "submit", "pack", "--parts", "3", "--watch"),
        *("tiles", "labels", "packed", *arguments),
        cwd=project.folder,
    )

    assert "Part 3/3: 2 pieces made, 0 already there." in told
    assert "Packed into packed." in told
    project.alone("pack", "tiles", "labels", "one", *arguments)
    assert files(project.folder / "packed") == files(project.folder / "one")
    assert not (project.folder / ".packed.packing").exists()


def test_an_array_makes_what_one_process_makes(slurm, project):
    """Three parts of ten tiles, watched until the job after them has ended."""
    arguments = ("model", "labels", "tissue", "--variants", "2")
    told = slurm.run(
        str(BIN / "histosyn"), "submit", "synth", "--parts", "3", "--watch", *arguments,
        cwd=project.folder,
    )  # fmt: skip

    assert "[3] 4 made, 0 already there, in tissue" in told
    assert "0 made, 10 already there, in tissue" in told.splitlines()
    project.alone("synth", "model", "labels", "one", "--variants", "2")
    assert files(project.folder / "tissue") == files(project.folder / "one")


def test_a_bad_label_map_fails_its_part_and_the_closing_job_says_so(slurm, project):
    Image.new("L", (32, 32), 77).save(project.folder / "labels" / "bad.png")

    array, closing = slurm.submit(
        project.folder, "synth", "--parts", "2", "model", "labels", "tissue"
    )

    assert slurm.wait_for(closing) == "FAILED"
    log = (project.folder / f"tissue/slurm/slurm-{closing}.log").read_text()
    assert "bad.png" in log and "value 77" in log
    assert len(list((project.folder / "tissue").glob("tile-*.png"))) == 5
    assert (project.folder / "tissue/manifest.jsonl").read_text().count("\n") == 5
    assert array != closing


def test_the_distance_of_parts_is_that_of_one_process(slurm, project):
    random = np.random.default_rng(0)
    (project.folder / "real").mkdir()
    for number in range(7):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(project.folder / "real" / f"{number}.png")
    arguments = ("real", "tiles", "--extractor", "random", "--batch-size", "2")

    _, closing = slurm.submit(project.folder, "eval", "fid", "--parts", "2", *arguments)

    assert slurm.wait_for(closing) == "COMPLETED"
    project.alone("eval", "fid", *arguments, "--json", "one.json")
    one, parts = (
        json.loads((project.folder / name).read_text())
        for name in ("one.json", "runs/fid-tiles/fid.json")
    )
    assert parts["settings"].pop("parts") == 2
    assert parts["numbers"][0]["value"] == pytest.approx(one["numbers"][0]["value"], rel=1e-10)
    assert parts == one


def test_parts_that_cannot_be_measured_end_the_comparison(slurm, project):
    """SLURM takes the job that would wait for them for ever out of the queue."""
    (project.folder / "tiles" / "tile-03.png").write_bytes(b"damaged")

    result = subprocess.run(
        [BIN / "histosyn", "submit", "eval", "fid", "--parts", "2", "--watch", "tiles", "tiles",
         "--extractor", "random", "--batch-size", "2"],
        cwd=project.folder, env=slurm.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 1
    assert "tile-03.png" in result.stdout
    assert "ended as completed, failed" in result.stderr
