"""Whole runs: reproducible, the same on one and two processes, resumable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tissue import SHARED, pack_blobs, tiny_config

from histosyn.config.file import as_toml
from histosyn.config.networks import DiscriminatorConfig
from histosyn.config.train import TrainConfig
from histosyn.models.folder import load_model
from histosyn.training.run import run_training
from histosyn.training.steps import diverged
from histosyn.training.trainer import Trainer
from hpc.errors import ConfigError, TrainingDivergedError
from hpc.log import RecordsFile


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


def losses(folder: Path) -> list[dict[str, float]]:
    records = RecordsFile(folder / "metrics.jsonl").read()
    return [
        {name: value for name, value in record.items() if name.startswith("loss/")}
        for record in records
    ]


def under_torchrun(config: TrainConfig, processes: int) -> None:
    """Run `histosyn train` with real processes, as users do."""
    path = config.run.folder.with_suffix(".toml")
    path.write_text(as_toml(config))
    code = f"from launch.cli import main; main(['train', '--config', {str(path)!r}])"
    script = path.with_suffix(".py")
    script.write_text(f"if __name__ == '__main__':\n    {code}\n")
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
         "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(script)],
        check=True, capture_output=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def assert_same(
    ours: list[dict[str, float]], theirs: list[dict[str, float]], relative: float
) -> None:
    assert len(ours) == len(theirs)
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True), 1):
        assert mine.keys() == other.keys()
        for name, value in mine.items():
            assert other[name] == pytest.approx(value, rel=relative), (step, name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_runs_of_20_steps_are_identical(shards: Path, tmp_path: Path, precision: str) -> None:
    for name in ("first", "second"):
        run_training(tiny_config(shards, tmp_path / name, steps=20, precision=precision))
    first, second = losses(tmp_path / "first"), losses(tmp_path / "second")
    assert len(first) == 20
    assert first == second
    weights = [(tmp_path / name / "model/model.safetensors") for name in ("first", "second")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_another_seed_gives_another_run(shards: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        run_training(tiny_config(shards, tmp_path / str(seed), steps=2, seed=seed))
    assert losses(tmp_path / "0") != losses(tmp_path / "1")


def test_two_processes_give_the_losses_of_one(shards: Path, tmp_path: Path) -> None:
    """In float64, to 1e-6 relative for 10 steps: SyncBN, keys and mean reduction are right."""
    run_training(tiny_config(shards, tmp_path / "one"))
    under_torchrun(tiny_config(shards, tmp_path / "two"), 2)
    assert len(losses(tmp_path / "one")) == 10
    assert_same(losses(tmp_path / "one"), losses(tmp_path / "two"), 1e-6)


GOLDEN = Path(__file__).parents[1] / "golden" / "losses.json"
WRITE_GOLDEN = "HISTOSYN_WRITE_GOLDEN" in os.environ


def test_losses_are_the_golden_ones(shards: Path, tmp_path: Path) -> None:
    """Float64 losses of the tiny configuration; HISTOSYN_WRITE_GOLDEN=1 writes them anew."""
    run_training(tiny_config(shards, tmp_path / "run", steps=5))
    measured = losses(tmp_path / "run")
    if WRITE_GOLDEN:
        GOLDEN.write_text(json.dumps(measured, indent=2) + "\n")
    # The initial weights go through torch's own random numbers and QR-free initializers only, so
    # they are the same on every machine. From one kind of processor to another sums part by
    # rounding, and Adam's first steps, which go by a gradient's sign, make much of that.
    golden = json.loads(GOLDEN.read_text())
    assert_same(golden[:1], measured[:1], 1e-9)
    assert_same(golden, measured, 1e-3)


def test_resuming_is_exact(shards: Path, tmp_path: Path) -> None:
    whole = tiny_config(shards, tmp_path / "whole", steps=8, checkpoint_every=4)
    run_training(whole)
    parts = tiny_config(shards, tmp_path / "parts", steps=4, checkpoint_every=4)
    run_training(parts)
    run_training(replace(parts, run=replace(parts.run, steps=8)))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    cpu = torch.device("cpu")
    assert load_model(tmp_path / "whole", cpu).sha256 == load_model(tmp_path / "parts", cpu).sha256


def test_a_finished_run_has_nothing_left_to_do(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=2)
    run_training(config)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    run_training(config)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_tiles_too_small_for_the_discriminator_are_told(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run")
    many = replace(config, discriminator=replace(config.discriminator, scales=6))
    with pytest.raises(ConfigError, match=r"halve tiles of 64 pixels 7 times"):
        run_training(many)
    crops = replace(config.data, crop=8)
    grain = replace(config.discriminator, scales=1, layers=2, grain_channels=4)
    few = replace(config.generator, upsamplings=3)
    with pytest.raises(ConfigError, match=r"grain_channels = 4 .* 14 pixels .* tiles have 8"):
        run_training(replace(config, data=crops, discriminator=grain, generator=few))


def test_tiles_that_do_not_fit_the_networks_are_told(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run")
    deep = replace(config, discriminator=DiscriminatorConfig(kind="unet", layers=6))
    with pytest.raises(ConfigError, match=r"layers = 6 .*64 pixels 6 times.*Lower layers"):
        run_training(deep)
    linear = replace(config.generator, entry="linear", grid_size=8)
    with pytest.raises(ConfigError, match=r"makes tiles of 128 pixels .* have 64x64.*grid_size"):
        run_training(replace(config, generator=linear))


class Evaluate:
    """An evaluation handed in from above."""

    interval = 2

    def __init__(self) -> None:
        self.seen: list[tuple[int, bool]] = []

    def __call__(self, trainer: Trainer) -> None:
        generator = trainer.averaged_generator()
        self.seen.append((trainer.step, generator.training))


def test_an_evaluation_is_called_at_its_steps_and_changes_nothing(
    shards: Path, tmp_path: Path
) -> None:
    evaluate = Evaluate()
    run_training(tiny_config(shards, tmp_path / "looked", steps=5), (lambda *given: evaluate,))
    run_training(tiny_config(shards, tmp_path / "not", steps=5))
    assert evaluate.seen == [(2, False), (4, False), (5, False)]
    model = "model/model.safetensors"
    assert (tmp_path / "looked" / model).read_bytes() == (tmp_path / "not" / model).read_bytes()


def test_what_is_no_model_of_ours_is_not_replaced(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=1)
    (tmp_path / "run" / "model").mkdir(parents=True)
    with pytest.raises(ConfigError, match="holds a model, but no checkpoint"):
        run_training(config)
    assert (tmp_path / "run" / "model").exists()


def test_a_model_tells_the_steps_it_was_trained(shards: Path, tmp_path: Path) -> None:
    run_training(tiny_config(shards, tmp_path / "run", steps=4, checkpoint_every=2))
    for place, steps in (("model", 4), ("checkpoints/step-00000002", 2)):
        model = load_model(tmp_path / "run" / place, torch.device("cpu"))
        assert model.facts.training["steps"] == steps
        assert model.facts.training["images_seen"] == steps * 4


def test_broken_weights_never_become_a_checkpoint(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=8, precision="float32",
                         report_every=8, checkpoint_every=8)  # fmt: skip
    wild = replace(config, optimizer=replace(config.optimizer, generator_lr=1e38))
    with pytest.raises(TrainingDivergedError, match="Start a new run with lower learning rates"):
        run_training(wild)
    assert not list((tmp_path / "run").glob("checkpoints/step-*"))


def test_reports_over_several_steps_are_the_same_after_a_restart(
    shards: Path, tmp_path: Path
) -> None:
    settings = {"report_every": 2, "checkpoint_every": 4}
    run_training(tiny_config(shards, tmp_path / "whole", steps=8, **settings))
    parts = tiny_config(shards, tmp_path / "parts", steps=4, **settings)
    run_training(parts)
    run_training(replace(parts, run=replace(parts.run, steps=8)))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def test_run_folder_holds_what_the_contract_says(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, steps=4, checkpoint_every=2, sample_every=2)
    run_training(config)
    assert {path.name for path in folder.iterdir()} == {
        "config.toml", "metrics.jsonl", "spectra.jsonl", "checkpoints", "samples", "model",
        "state.json",
    }  # fmt: skip
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "step-00000002", "step-00000004",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [
        "step-00000002.png", "step-00000004.png",
    ]  # fmt: skip
    records = RecordsFile(folder / "metrics.jsonl").read()
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    assert records[-1]["images_seen"] == 16
    assert {"images_per_second", "images_per_second_per_rank", "data_wait_share",
            "peak_memory_gib", "eta_seconds", "generator_lr"} <= records[0].keys()  # fmt: skip


def test_model_checkpoint_and_run_folder_are_the_same_model(shards: Path, tmp_path: Path) -> None:
    run_training(tiny_config(shards, tmp_path / "run", steps=2, precision="float32"))
    places = [tmp_path / "run", tmp_path / "run/model", tmp_path / "run/checkpoints/step-00000002"]
    models = [load_model(place, torch.device("cpu")) for place in places]
    assert len({model.sha256 for model in models}) == 1
    weights = [model.network.state_dict() for model in models]
    for name, tensor in weights[0].items():
        assert all(torch.equal(tensor, other[name]) for other in weights[1:]), name


@pytest.mark.parametrize(
    "names, told",
    [
        (["loss/generator/adversarial", "gradient_norm/generator"],
         "At step 7 the loss generator/adversarial is no longer finite"),
        (["gradient_norm/discriminator"], "At step 7 the gradient of the discriminator is no"),
    ],
)  # fmt: skip
def test_what_is_not_finite_is_named(names: list[str], told: str) -> None:
    assert told in str(diverged(7, names))


@pytest.mark.slow
def test_float32_parts_slowly(shards: Path, tmp_path: Path) -> None:
    """In float32 one and two processes part by rounding, which the game then amplifies."""
    run_training(tiny_config(shards, tmp_path / "one", precision="float32"))
    under_torchrun(tiny_config(shards, tmp_path / "two", precision="float32"), 2)
    assert_same(losses(tmp_path / "one")[:2], losses(tmp_path / "two")[:2], 1e-4)
    assert_same(losses(tmp_path / "one"), losses(tmp_path / "two"), 5e-2)


@pytest.mark.skipif(not (SHARED / "data/glas").exists(), reason="shared/data/glas is not here")
def test_trains_on_real_tiles_of_any_packed_size(tmp_path: Path) -> None:
    from histosyn.labels.label_map import load_schema
    from histosyn.packing.pack import PackConfig, pack

    source = SHARED / "data/glas"
    few = tmp_path / "few"
    for kind in ("tiles", "labels"):
        (few / kind).mkdir(parents=True)
        for path in sorted((source / kind).iterdir())[:2]:
            (few / kind / path.name).symlink_to(path)
    config = PackConfig(tile_size=64, source_mpp=0.5, mpp=2.0)
    pack(few / "tiles", few / "labels", tmp_path / "packed", load_schema("prostate-3"), config)
    run_training(tiny_config(tmp_path / "packed/train", tmp_path / "run", steps=2))
    assert len(losses(tmp_path / "run")) == 2
