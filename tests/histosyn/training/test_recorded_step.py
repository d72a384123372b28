"""Steps that are recorded once, on the simulated device, against steps that are not."""

from dataclasses import replace

import pytest
import torch
from games import CLASSES, GAMES, batch, with_run
from sim_device import SIM, Sim
from sim_device.work import STEPS

from histosyn.training.adversaries import Adversaries
from histosyn.training.recorded_step import recorder_for
from histosyn.training.trainer import Trainer
from hpc.errors import ConfigError

STEPS_TAKEN = 5


def play(config, recorder=None):
    """The losses and diagnostics of each step, and the state that they lead to."""
    trainer = Trainer(config, None, Adversaries(config, CLASSES, SIM), SIM, recorder=recorder)
    measured = []
    for step in range(STEPS_TAKEN):
        found = trainer.take_step(batch(step).pin_memory()) | trainer.diagnostics
        measured.append({name: value.double().item() for name, value in found.items()})
        trainer.step += 1
    return measured, trainer.adversaries


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("hinge", "float32"),
        pytest.param("hinge", "bfloat16", marks=pytest.mark.slow),
        pytest.param("linear entry", "float64", marks=pytest.mark.slow),
        pytest.param("filtered, stain", "bfloat16", marks=pytest.mark.slow),
        pytest.param("the default recipe", "float32", marks=pytest.mark.slow),
    ],
)
def test_a_step_that_is_replayed_is_the_step_itself(name, precision):
    config = with_run(STEPS[name], precision=precision, tables_below=0.0)
    with Sim() as sim:
        plain, theirs = play(config)
        recorded, ours = play(with_run(config, cuda_graphs=True), sim.graphs)
        assert recorded == plain
        for kind in ("networks", "ema"):
            for left, right in zip(_states(ours, kind), _states(theirs, kind), strict=True):
                assert torch.equal(left.cpu(), right.cpu())


def _states(adversaries, kind):
    networks = [adversaries.ema.network] if kind == "ema" else adversaries.networks.values()
    return [value for network in networks for value in network.state_dict().values()]


@pytest.fixture(scope="module")
def recorded():
    """The device, and a trainer whose step has been recorded."""
    config = with_run(GAMES["hinge"], precision="float32", cuda_graphs=True)
    with Sim() as sim:
        trainer = Trainer(config, None, Adversaries(config, CLASSES, SIM), SIM, recorder=sim.graphs)
        for step in range(4):
            trainer.take_step(batch(step).pin_memory())
        yield sim, trainer


def test_little_is_started_for_a_step_that_is_replayed(recorded):
    sim, trainer = recorded
    given = batch(4).pin_memory()
    with sim.counting() as tally:
        trainer.take_step(given)
    assert not tally.waits
    assert tally.operations < 100


def test_gradients_that_were_taken_away_are_found_again(recorded):
    _, trainer = recorded
    weights = list(trainer.adversaries.generator.network.parameters())
    before = [weight.cpu() for weight in weights]
    for adversary in (trainer.adversaries.generator, trainer.adversaries.discriminator):
        adversary.optimizer.zero_grad()
    trainer.take_step(batch(5).pin_memory())
    for weight, old in zip(weights, before, strict=True):
        assert not torch.equal(weight.cpu(), old)


def test_batches_of_another_size_are_refused(recorded):
    _, trainer = recorded
    with pytest.raises(ConfigError, match="batches of one size"):
        trainer.take_step(batch(6, count=2).pin_memory())


def test_a_cpu_has_no_graphs():
    config = with_run(GAMES["hinge"], cuda_graphs=True)
    with pytest.raises(ConfigError, match="computes on the cpu"):
        recorder_for(config, torch.device("cpu"))


@pytest.mark.parametrize(
    ("section", "changes", "remedy"),
    [
        ("run", {"compile": True}, "run.compile = false"),
        ("run", {"updates": "alternating"}, "run.updates = simultaneous"),
        ("run", {"tables_below": 0.5}, "run.tables_below = 0"),
        ("loss", {"r1": 1.0}, "loss.r1 = 0"),
        ("generator", {"modulation": "class_table"}, "generator.modulation = spade"),
        ("generator", {"recompute": True}, "generator.recompute = false"),
        ("discriminator", {"kind": "unet"}, "discriminator.kind = patch"),
    ],
)
def test_what_differs_between_steps_is_refused(section, changes, remedy):
    config = with_run(GAMES["hinge"], cuda_graphs=True)
    with pytest.raises(ConfigError, match=remedy):
        replace(config, **{section: replace(getattr(config, section), **changes)})
