"""A run is computed in one precision and one way, whatever devices it meets on its way."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tissue import pack_blobs, tiny_config

from histosyn.config.file import load_toml
from histosyn.config.train import TrainConfig
from histosyn.networks import cpu_choice, table_costs
from histosyn.networks.cpu_choice import Choice
from histosyn.training import settling, trainer
from histosyn.training.run import run_training
from histosyn.training.settling import with_settled_run
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


HERE = Choice(convolutions="contiguous", channels_last=False, tables_below=1.4)
ELSEWHERE = Choice(convolutions="plain", channels_last=True, tables_below=0.7)
USUAL = Choice(convolutions="plain", channels_last=True)


@pytest.fixture
def fastest(monkeypatch: pytest.MonkeyPatch) -> list[Choice]:
    """The ways that are fastest, to be changed; no run is over too soon for them."""
    found = [HERE]
    monkeypatch.setattr(settling, "_SHORT", 0)
    monkeypatch.setattr(cpu_choice, "fastest", lambda precision: found[0])
    monkeypatch.setattr(cpu_choice, "_measured_text", lambda precision: "measured")
    return found


def choice_of(folder: Path) -> Choice:
    """Where a run says how it is computed."""
    run = load_toml(folder / "config.toml")["run"]
    return Choice(**{name: run[name] for name in asdict(USUAL)})


def test_ways_stay_as_the_first_start_chose_them(
    shards: Path, tmp_path: Path, fastest: list[Choice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and resumed on another kind of processor, as if never interrupted."""
    used: list[str | float] = []
    for name in ("computed_as", "tables_below"):
        context = getattr(trainer, name)
        monkeypatch.setattr(trainer, name, lambda *its, of=context: used.append(its[0]) or of(*its))
    parts = tiny_config(
        shards, tmp_path / "parts", steps=2, checkpoint_every=2, precision="float32"
    )
    run_training(parts)
    fastest[0] = ELSEWHERE
    shutil.rmtree(tmp_path / "parts" / "model")
    run_training(replace(parts, run=replace(parts.run, steps=4)))
    assert choice_of(tmp_path / "parts") == HERE
    assert used == ["contiguous", 1.4] * 4
    fastest[0] = HERE
    whole = replace(parts, run=replace(parts.run, folder=tmp_path / "whole", steps=4))
    run_training(whole)
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes()
               for name in ("parts", "whole")]  # fmt: skip
    assert weights[0] == weights[1]


def test_ways_may_be_named_anew(shards: Path, tmp_path: Path, fastest: list[Choice]) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=1, precision="float32")
    run_training(config)
    named = asdict(ELSEWHERE)
    run_training(replace(config, run=replace(config.run, steps=2, **named)))
    assert choice_of(tmp_path / "run") == ELSEWHERE


def test_nobody_waits_for_a_measurement_who_is_done_before(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for longer runs, and for larger networks."""
    config = tiny_config(shards, tmp_path / "run", steps=10, precision="float32")
    cpu, measured = torch.device("cpu"), Choice(convolutions="contiguous", channels_last=True)
    monkeypatch.setattr(cpu_choice, "fastest", lambda precision: measured)
    monkeypatch.setattr(cpu_choice, "_measured_text", lambda precision: "measured")

    def form(of: TrainConfig) -> str:
        return with_settled_run(of, cpu).run.convolutions

    assert form(config) == "plain"
    assert form(replace(config, run=replace(config.run, steps=20_000))) == "contiguous"
    wide = replace(config.generator, base_channels=64)
    assert form(replace(config, generator=wide)) == "contiguous"
    assert form(replace(config, generator=wide,
                        run=replace(config.run, precision="float64"))) == "plain"  # fmt: skip


@pytest.fixture
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of what tables cost on a device that the CPU is taken for."""
    path = tmp_path / "table_costs.toml"
    path.write_text(
        '[[measured]]\ndevice = "a GPU"\nprecision = "float32"\nmultiplication = 0.5\n'
        'addition = 12.0\ntorch = "2.13.0"\n'
    )
    monkeypatch.setenv(table_costs.VARIABLE, str(path))
    monkeypatch.setattr(settling, "device_text", lambda device: "a GPU")
    return path


def costs_of(folder: Path) -> tuple[float, list[float]]:
    run = load_toml(folder / "config.toml")["run"]
    return run["tables_below"], run["table_costs"]


def test_costs_of_tables_are_those_of_the_device_for_the_whole_run(
    shards: Path, tmp_path: Path, costs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed where they are others, or where none were measured, it goes on as it was begun."""
    used: list[object] = []
    context = trainer.tables_below
    monkeypatch.setattr(trainer, "tables_below", lambda *its: used.append(its) or context(*its))
    config = tiny_config(shards, tmp_path / "run", steps=1, precision="float32")
    run_training(config)
    costs.write_text(costs.read_text().replace("0.5", "2.5"))
    run_training(replace(config, run=replace(config.run, steps=2)))
    monkeypatch.delenv(table_costs.VARIABLE)
    run_training(replace(config, run=replace(config.run, steps=3)))
    assert used == [(1.0, (0.5, 12.0))] * 3
    assert costs_of(tmp_path / "run") == (1.0, [0.5, 12.0])


def test_recorded_steps_have_no_tables(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", cuda_graphs=True)
    assert with_settled_run(config, torch.device("cpu")).run.tables_below == 0


def test_costs_of_tables_may_be_named(shards: Path, tmp_path: Path, costs: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", precision="float32", table_costs=(2.0, 3.0))
    settled = with_settled_run(config, torch.device("cpu"))
    assert settled.run.table_costs == (2.0, 3.0)
    with pytest.raises(ConfigError, match="must be two numbers"):
        replace(config.run, table_costs=(2.0,))
    with pytest.raises(ConfigError, match="must be two numbers"):
        replace(config.run, table_costs=(2.0, float("nan")))


def test_runs_of_unmeasured_devices_and_of_older_versions_have_the_usual_costs(
    shards: Path, tmp_path: Path, costs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=1, precision="float32")
    cpu = torch.device("cpu")
    monkeypatch.setattr(settling, "_begun", lambda checkpoints: {"run": {"steps": 1}})
    assert with_settled_run(config, cpu).run.table_costs == (1.6, 36.0)
    monkeypatch.setattr(settling, "_begun", lambda checkpoints: None)
    assert with_settled_run(config, cpu).run.table_costs == (0.5, 12.0)
    monkeypatch.setattr(settling, "device_text", lambda device: "another GPU")
    assert with_settled_run(config, cpu).run.table_costs == (1.6, 36.0)


def test_a_damaged_file_of_costs_stops_a_run_before_its_first_step(
    shards: Path, tmp_path: Path, costs: Path
) -> None:
    costs.write_text("[[measured]")
    with pytest.raises(ConfigError, match=r"table_costs\.toml is not valid TOML"):
        run_training(tiny_config(shards, tmp_path / "run", steps=1, precision="float32"))
    assert not (tmp_path / "run/checkpoints").exists()
