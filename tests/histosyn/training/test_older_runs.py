"""A run that an older version started goes on: `files/run-0.1.tar.gz` holds one, and its shards.

It was made by `histosyn train` before the modules had their packages, with networks as small as
they go, and of 3 steps. `files/run-0.1-continued.json` is what that
version reported of steps 4 to 6.
"""

import json
import tarfile
from pathlib import Path

import pytest
from safetensors import safe_open

from histosyn.config.file import load_toml
from histosyn.models.folder import load_model
from launch.cli import main

FILES = Path(__file__).parents[1] / "files"
ARCHIVE = FILES / "run-0.1.tar.gz"
SETTINGS = (".config.", ".model.generator.")
CONTINUED = json.loads((FILES / "run-0.1-continued.json").read_text())


@pytest.fixture
def older_run(tmp_path, monkeypatch):
    """The run's folder, beside its shards, in the current folder."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def layout(checkpoint):
    """Types and shapes of a checkpoint's tensors by name, and the names of all else in it."""
    with safe_open(checkpoint / "tensors.safetensors", "pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        tensors = {name: (each.get_dtype(), each.get_shape()) for name, each in slices.items()}
    return tensors, names(json.loads((checkpoint / "state.json").read_text()))


def names(state, prefix=""):
    """The dotted keys of nested objects."""
    if not isinstance(state, dict):
        return {prefix}
    return {prefix}.union(*(names(value, f"{prefix}.{key}") for key, value in state.items()))


def test_it_goes_on_as_the_older_version_would_have(older_run):
    before = (older_run / "metrics.jsonl").read_text().splitlines()
    checkpoint = layout(older_run / "checkpoints" / "step-00000003")

    main(["train", "--config", "run/config.toml", "--run.steps", "6"])

    lines = (older_run / "metrics.jsonl").read_text().splitlines()
    assert lines[:3] == before
    reports = [json.loads(line) for line in lines[3:]]
    assert len(reports) == len(CONTINUED)
    for found, expected in zip(reports, CONTINUED, strict=True):
        # Sums of float32 part by rounding from one kind of processor to another.
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    tensors, state = layout(older_run / "checkpoints" / "step-00000006")
    assert tensors == checkpoint[0]
    # Settings have come since; nothing that the older version wrote is missing.
    assert {name for name in state - checkpoint[1] if not name.startswith(SETTINGS)} == set()
    assert checkpoint[1] <= state
    # It knew no other ways, and goes on without.
    run = load_toml(older_run / "config.toml")["run"]
    ways = [run[name] for name in ("convolutions", "channels_last", "tables_below")]
    assert ways == ["plain", True, 1.0]


def test_its_model_is_read(older_run):
    assert load_model(older_run / "model", "cpu").facts.schema.name == "prostate-3"
