"""A run is computed in one precision and one form, whatever devices it meets on its way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tissue import pack_blobs, tiny_config

from histosyn.config.file import load_toml
from histosyn.networks import convolution_choice
from histosyn.training import trainer
from histosyn.training.run import run_training
from hpc import precision
from hpc.errors import ConfigError
from hpc.log import RecordsFile


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the device computes bfloat16 natively, to be changed."""
    able = [True]
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: able[0])
    monkeypatch.setattr(precision, "bfloat16_factor", lambda device: 10.0)
    return able


def told_by(folder: Path) -> set[str]:
    """In which precision a run says it was computed, wherever it says it."""
    model = json.loads((folder / "model/config.json").read_text("utf-8"))
    return {
        load_toml(folder / "config.toml")["run"]["precision"],
        model["training"]["precision"],
        *(record["precision"] for record in RecordsFile(folder / "metrics.jsonl").read()),
    }


@pytest.mark.parametrize(("able", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_settled_at_the_first_start(
    shards: Path, tmp_path: Path, native: list[bool], able: bool, chosen: str
) -> None:
    """And kept on another kind of device, as if it had been named."""
    native[0] = able
    auto = tiny_config(shards, tmp_path / "auto", steps=2, checkpoint_every=2, precision="auto")
    run_training(auto)
    native[0] = not able
    shutil.rmtree(tmp_path / "auto" / "model")
    auto = replace(auto, run=replace(auto.run, steps=4))
    run_training(auto)
    assert told_by(tmp_path / "auto") == {chosen}
    named = replace(auto, run=replace(auto.run, folder=tmp_path / "named", precision=chosen))
    run_training(named)
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes()
               for name in ("auto", "named")]  # fmt: skip
    assert weights[0] == weights[1]


def test_another_precision_than_that_of_the_run_is_refused(
    shards: Path, tmp_path: Path, native: list[bool]
) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=1, precision="auto")
    run_training(config)
    other = replace(config, run=replace(config.run, steps=2, precision="float32"))
    with pytest.raises(ConfigError, match=r"run\.precision changed"):
        run_training(other)


def test_a_damaged_checkpoint_tells_nothing_and_an_older_one_does(
    shards: Path, tmp_path: Path, native: list[bool]
) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=2, checkpoint_every=1, precision="auto")
    run_training(config)
    (tmp_path / "run/checkpoints/step-00000002/state.json").write_text("{")
    native[0] = False
    run_training(config)
    assert told_by(tmp_path / "run") == {"bfloat16"}


@pytest.fixture
def fastest(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The form of convolutions that is fastest, to be changed."""
    found = ["contiguous"]
    monkeypatch.setattr(convolution_choice, "fastest", lambda device, precision: found[0])
    monkeypatch.setattr(convolution_choice, "gains_text", lambda precision: "measured")
    return found


def form_of(folder: Path) -> str:
    """Where a run says how its convolutions are computed."""
    return str(load_toml(folder / "config.toml")["run"]["convolutions"])


def test_convolutions_stay_as_the_first_start_chose_them(
    shards: Path, tmp_path: Path, fastest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and resumed on another kind of processor, as if never interrupted."""
    used: list[str] = []
    computed_as = trainer.computed_as
    monkeypatch.setattr(trainer, "computed_as", lambda form: used.append(form) or computed_as(form))
    parts = tiny_config(
        shards, tmp_path / "parts", steps=2, checkpoint_every=2, precision="float32",
        convolutions="auto",
    )  # fmt: skip
    run_training(parts)
    fastest[0] = "plain"
    shutil.rmtree(tmp_path / "parts" / "model")
    run_training(replace(parts, run=replace(parts.run, steps=4)))
    assert form_of(tmp_path / "parts") == "contiguous"
    assert used == ["contiguous"] * 4
    fastest[0] = "contiguous"
    whole = replace(parts, run=replace(parts.run, folder=tmp_path / "whole", steps=4))
    run_training(whole)
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes()
               for name in ("parts", "whole")]  # fmt: skip
    assert weights[0] == weights[1]


def test_a_form_may_be_named_anew(shards: Path, tmp_path: Path, fastest: list[str]) -> None:
    config = tiny_config(
        shards, tmp_path / "run", steps=1, precision="float32", convolutions="auto"
    )
    run_training(config)
    run_training(replace(config, run=replace(config.run, steps=2, convolutions="plain")))
    assert form_of(tmp_path / "run") == "plain"
