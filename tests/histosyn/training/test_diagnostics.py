"""What is watched: in reports, in warnings, and when something is no longer finite."""

import math
from dataclasses import replace

import pytest
import torch
from tissue import pack_blobs, tiny_config

from histosyn.config.learning import LossConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.training.diagnostics import WarnOfSaturation, diagnose
from histosyn.training.losses import DiscriminatorOutputs, patch_accuracy
from histosyn.training.run import run_training
from histosyn.training.steps import StepTrainer
from histosyn.training.updates import StepResult
from hpc.errors import TrainingDivergedError
from hpc.log import RecordsFile


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


def unet(config, **loss):
    return replace(
        config,
        discriminator=DiscriminatorConfig(kind="unet", base_channels=4, layers=3),
        loss=LossConfig(r1=1.0, r1_interval=3, **loss),
    )


@pytest.mark.parametrize("kind", ["patch", "unet"])
def test_every_report_tells_how_the_game_stands(shards, tmp_path, kind):
    config = tiny_config(shards, tmp_path / "run", steps=3, precision="float32")
    run_training(config if kind == "patch" else unet(config))
    for record in RecordsFile(tmp_path / "run/metrics.jsonl").read():
        assert record["gradient_norm/generator"] > 0
        assert record["gradient_norm/discriminator"] > 0
        for share in ("discriminator_accuracy", "saturated/synthetic", "saturated/real"):
            assert 0 <= record[share] <= 1


def test_saturation_counts_colours_at_the_ends_of_tanh():
    synthetic = torch.tanh(torch.tensor([0.0, 2.9, 3.1, -3.1])).reshape(1, 1, 2, 2)
    outputs = DiscriminatorOutputs(
        labels_NHW=torch.zeros(1, 2, 2, dtype=torch.long),
        tiles_NCHW=torch.tensor([1.0, 0.9, -0.9, 0.0]).reshape(1, 1, 2, 2),
        synthetic_NCHW=synthetic,
        real=[[torch.ones(1, 1, 2, 2)]],
        synthetic=[[torch.ones(1, 1, 2, 2)]],
    )
    norms = {"generator": torch.tensor(2.0)}
    seen = diagnose(
        StepResult(losses={}, gradient_norms=norms, outputs=outputs), patch_accuracy(0.0)
    )
    assert {name: value.item() for name, value in seen.items()} == pytest.approx(
        {"gradient_norm/generator": 2.0, "discriminator_accuracy": 0.5,
         "saturated/synthetic": 0.5, "saturated/real": 0.25}
    )  # fmt: skip


class Standing(StepTrainer):
    """A trainer that only has something to watch."""

    def __init__(self, synthetic, real):
        self.step = 20
        self.diagnostics = {
            "saturated/synthetic": torch.tensor(synthetic),
            "saturated/real": torch.tensor(real),
        }

    take_step = learning_rates = state = load = None


@pytest.mark.parametrize("synthetic, real, warned", [(0.9, 0.1, 1), (0.5, 0.4, 0), (0.1, 0.9, 0)])
def test_tiles_that_go_blank_are_warned_of_once(synthetic, real, warned, monkeypatch):
    told = []
    monkeypatch.setattr(
        "histosyn.training.diagnostics.logger.warning",
        lambda text, *values: told.append(text % values),
    )
    observer = WarnOfSaturation(interval=1)
    for _ in range(3):
        observer(Standing(synthetic, real))
    assert ["At step 20 90 %" in text for text in told] == [True] * warned


class Poison:
    """An observer that spoils the players' weights after a step, as an overflow would."""

    interval = 1

    def __init__(self, step, network):
        self.step = step
        self.network = network

    def __call__(self, trainer):
        if trainer.step == self.step:
            weight = next(iter(trainer.adversaries.networks[self.network].parameters()))
            with torch.no_grad():
                weight.fill_(float("nan"))


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_the_step_is_named_even_where_reports_are_rare(shards, tmp_path, network):
    config = tiny_config(shards, tmp_path / "run", steps=8, report_every=8, checkpoint_every=8)
    poison = Poison(3, network)
    with pytest.raises(TrainingDivergedError, match="At step 4 the loss discriminator/hinge"):
        run_training(config, (lambda config, topology: poison,))
    assert not list((tmp_path / "run/checkpoints").glob("step-*"))


class PoisonTerm:
    """Makes one loss term, and no other, not a number at the step after `step`."""

    interval = 1

    def __init__(self, step, term):
        self.step, self.term = step, term

    def __call__(self, trainer):
        if trainer.step == self.step:
            trainer.objective = replace(
                trainer.objective,
                generator=tuple(
                    replace(term, compute=lambda outputs, of=term.compute: of(outputs) * math.nan)
                    if term.name == self.term
                    else term
                    for term in trainer.objective.generator
                ),
            )


def test_of_several_terms_the_one_that_broke_is_named(shards, tmp_path):
    config = tiny_config(shards, tmp_path / "run", steps=6, report_every=1)
    poison = PoisonTerm(3, "feature_matching")
    with pytest.raises(
        TrainingDivergedError,
        match="At step 4 the loss generator/feature_matching is no longer finite",
    ):
        run_training(config, (lambda config, topology: poison,))


class PoisonGradient(Poison):
    """Spoils a gradient alone: the losses of that step are finite."""

    def __call__(self, trainer):
        if trainer.step == self.step:
            weight = next(iter(trainer.adversaries.networks[self.network].parameters()))
            weight.register_hook(lambda gradient: gradient * float("nan"))


def test_a_gradient_that_is_not_finite_is_named_by_its_network(shards, tmp_path):
    config = tiny_config(shards, tmp_path / "run", steps=4)
    poison = PoisonGradient(2, "generator")
    with pytest.raises(TrainingDivergedError, match="At step 3 the gradient of the generator is"):
        run_training(config, (lambda config, topology: poison,))


def test_resuming_between_reports_and_penalties_is_exact(shards, tmp_path):
    """With terms that are computed at some steps only, and a checkpoint between two of them."""
    whole = unet(tiny_config(shards, tmp_path / "whole", steps=8, checkpoint_every=4))
    run_training(whole)
    parts = unet(tiny_config(shards, tmp_path / "parts", steps=4, checkpoint_every=4))
    run_training(parts)
    run_training(replace(parts, run=replace(parts.run, steps=8)))
    for file in ("model/model.safetensors", "checkpoints/step-00000008/tensors.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
