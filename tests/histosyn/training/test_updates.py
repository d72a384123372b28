"""One step of the game: against the plain way to compute it, and on several ranks."""

import shutil
from dataclasses import replace

import pytest
import torch
from games import BASE, CLASSES, FEATURES, GAMES, batch, with_run
from ranks import run_ranks
from scripted import saved
from torch import nn

from histosyn.config.learning import LossConfig
from histosyn.networks import levels
from histosyn.training.adversaries import Adversaries
from histosyn.training.losses import DiscriminatorOutputs, Mixture
from histosyn.training.objectives import make_objective
from histosyn.training.step_inputs import make_step_inputs
from histosyn.training.updates import UPDATES

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def feature_network(tmp_path_factory):
    """Where every game is played, on ranks too, there is the network of the perceptual one.

    Its gradients need no rounding, though it computes in float32 also where the rest is float64.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("games"))
        saved(nn.AvgPool2d(4), FEATURES)
        yield


def play(config, steps, ranks=1, rank=0):
    """Losses of all steps by name, and the weights they lead to."""
    adversaries = Adversaries(config, CLASSES, CPU)
    stain = adversaries.generator.network.stain
    objective = make_objective(config.loss, config.discriminator, CPU, stain)
    update, losses = UPDATES[config.run.updates], []
    for step in range(steps):
        inputs = make_step_inputs(config, batch(step, ranks, rank), step, CPU)
        result = update(adversaries, objective, inputs)
        losses.append({name: value.item() for name, value in result.losses.items()})
    weights = {
        name: weight.detach().clone()
        for network in adversaries.networks.values()
        for name, weight in network.named_parameters()
    }
    return losses, weights


def near(losses):
    """What equals these but for rounding, which is float32's where features are."""
    return {
        term: pytest.approx(value, rel=1e-6 if term == "generator/perceptual" else 1e-9)
        for term, value in losses.items()
    }


EVERY_GAME = {
    f"{name}, {updates}": with_run(config, updates=updates)
    for name, config in GAMES.items()
    for updates in UPDATES
}


def play_on_a_rank(games, ranks, steps=3):
    from hpc import collectives

    return {name: play(game, steps, ranks, collectives.rank()) for name, game in games.items()}


@pytest.fixture(scope="module")
def two_ranks():
    return run_ranks(2, play_on_a_rank, EVERY_GAME, 2)


@pytest.mark.parametrize("name", list(EVERY_GAME))
def test_two_ranks_play_the_game_of_one(two_ranks, name):
    one, weights = play(EVERY_GAME[name], 3)
    ranks = [result[name] for result in two_ranks]
    for step, losses in enumerate(one):
        means = {term: sum(their[step][term] for their, _ in ranks) / 2 for term in losses}
        assert means == near(losses), step
    for _, theirs in ranks:
        for key, weight in weights.items():
            torch.testing.assert_close(theirs[key], weight, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # those of torch.compile itself
@pytest.mark.parametrize("name", ["hinge, simultaneous", "pixels, alternating"])
def test_compiled_discriminators_play_the_same_game(name):
    config = EVERY_GAME[name]
    plain, weights = play(config, 2)
    compiled, theirs = play(with_run(config, compile=True), 2)
    for ours, losses in zip(compiled, plain, strict=True):
        assert ours == pytest.approx(losses, rel=1e-9)
    for key, weight in weights.items():
        torch.testing.assert_close(theirs[key], weight, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_ranks_share_a_compiled_discriminator():
    """Each loss goes back through it by itself, also where gradients are averaged."""
    name = "hinge, simultaneous"
    one, _ = play(EVERY_GAME[name], 2)
    compiled = {name: with_run(EVERY_GAME[name], compile=True)}
    # Compiling takes minutes where other tests want the cores.
    results = run_ranks(2, play_on_a_rank, compiled, 2, 2, timeout_seconds=900)
    ranks = [result[name][0] for result in results]
    for step, losses in enumerate(one):
        for term, value in losses.items():
            mean = sum(theirs[step][term] for theirs in ranks) / 2
            assert mean == pytest.approx(value, rel=1e-9), (step, term)


def moved(config, step=0, adversaries=None):
    """The players after a step, each with the gradients that it moved by, and what is reported."""
    adversaries = adversaries or Adversaries(config, CLASSES, CPU)
    objective = make_objective(config.loss, config.discriminator, CPU)
    inputs = make_step_inputs(config, batch(step), step, CPU)
    return adversaries, UPDATES[config.run.updates](adversaries, objective, inputs)


def gradients(network):
    return {name: weight.grad for name, weight in network.named_parameters()}


def plain_verdict(adversaries, inputs, purpose):
    """All that could be judged, mixed tiles included, in one forward of each network."""
    tiles = inputs.tiles_NCHW.clone().requires_grad_()
    synthetic = adversaries.generator.network(inputs.labels_NHW, inputs.noise(purpose))
    real_NHW = inputs.regions(CLASSES)
    is_real = real_NHW[:, None].to(tiles.dtype)
    mixed = is_real * tiles + (1 - is_real) * synthetic
    # In training each forward moves the estimates of spectral norms: all see those of the first.
    features = adversaries.discriminator.network(
        torch.cat([tiles, synthetic, mixed]), inputs.labels_NHW.repeat(3, 1, 1)
    )
    of_real, of_synthetic, of_mixed = (
        [[layer.chunk(3)[part] for layer in scale] for scale in features] for part in range(3)
    )
    return DiscriminatorOutputs(
        labels_NHW=inputs.labels_NHW,
        tiles_NCHW=tiles,
        synthetic_NCHW=synthetic,
        real=of_real,
        synthetic=of_synthetic,
        mixture=Mixture(real_NHW=real_NHW, features=of_mixed),
    )


def plainly(config):
    """Gradients of both players at step 0 by name, nobody having moved."""
    adversaries = Adversaries(config, CLASSES, CPU)
    objective = make_objective(config.loss, config.discriminator, CPU)
    inputs = make_step_inputs(config, batch(0), 0, CPU)
    if config.run.updates == "simultaneous":
        first = second = plain_verdict(adversaries, inputs, "noise")
    else:
        first = plain_verdict(adversaries, inputs, "discriminator's noise")
        second = plain_verdict(adversaries, inputs, "noise")
    found = {}
    for adversary, terms, outputs in (
        (adversaries.discriminator, objective.discriminator, first),
        (adversaries.generator, objective.generator, second),
    ):
        loss = sum(term.weight * term.interval * term.compute(outputs) for term in terms)
        weights = list(adversary.network.parameters())
        found[adversary.name] = torch.autograd.grad(loss, weights, retain_graph=True)
    return found


@pytest.mark.parametrize("name", list(EVERY_GAME))
def test_updates_go_by_the_gradients_of_separate_backward_passes(name):
    config = EVERY_GAME[name]
    # A discriminator that moved would show the alternating generator something else.
    config = replace(config, optimizer=replace(config.optimizer, discriminator_lr=0.0))
    expected = plainly(config)
    adversaries, result = moved(config)
    for adversary, network in adversaries.networks.items():
        for (key, mine), their in zip(gradients(network).items(), expected[adversary], strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-8, atol=1e-12, msg=key)
        norm = torch.stack([gradient.norm() for gradient in expected[adversary]]).norm().item()
        assert result.gradient_norms[adversary].item() == pytest.approx(norm)


@pytest.mark.parametrize("updates", list(UPDATES))
def test_a_penalty_counts_for_the_steps_between_which_have_none(updates):
    def learned(step, **loss):
        config = replace(with_run(BASE, updates=updates), loss=LossConfig(**loss))
        return gradients(moved(config, step)[0].discriminator.network)

    every_third = {"r1": 0.5, "r1_interval": 3}
    close = {"rtol": 1e-8, "atol": 1e-12}
    due, alone = learned(3, **every_third), learned(3, r1=0.5, r1_interval=1)
    assert all((due[name] - alone[name]).abs().max() > 1e-6 for name in due if "bias" not in name)
    torch.testing.assert_close(due, learned(3, r1=1.5, r1_interval=1), **close)
    torch.testing.assert_close(learned(4, **every_third), learned(4, r1=0.0), **close)


@pytest.mark.parametrize(
    "updates, matching, expected",
    [
        ("simultaneous", 5.0, "G D D"),
        ("alternating", 5.0, "g D D G D d"),
        ("alternating", 0.0, "g D D G D"),
    ],
)
def test_each_network_forwards_as_often_as_the_order_asks(updates, matching, expected):
    """Capital letters have a way back. Real tiles are judged again only to be matched."""
    loss = replace(BASE.loss, feature_matching=matching)
    config = replace(with_run(BASE, updates=updates), loss=loss)
    adversaries = Adversaries(config, CLASSES, CPU)
    calls = []
    for name, network in adversaries.networks.items():
        network.register_forward_hook(
            lambda module, given, output, letter=name[0]: calls.append(
                letter.upper() if torch.is_grad_enabled() else letter
            )
        )
    moved(config, adversaries=adversaries)
    assert " ".join(calls) == expected


@pytest.mark.parametrize("updates", list(UPDATES))
def test_label_neighbourhoods_are_found_once_a_step(updates, monkeypatch):
    widths, find = [], levels.find_patterns

    def counted(labels_NHW, classes, device):
        widths.append(labels_NHW.shape[2])
        return find(labels_NHW, classes, device)

    monkeypatch.setattr(levels, "find_patterns", counted)
    moved(with_run(BASE, updates=updates))
    assert sorted(widths) == [2, 4, 8, 16, 32]


def test_alternating_generator_sees_the_discriminator_after_its_move():
    """With a discriminator that doesn't learn its gradients are those of the other noise alone."""
    config = with_run(GAMES["hinge"], updates="alternating")
    still = replace(config, optimizer=replace(config.optimizer, discriminator_lr=0.0))
    assert play(config, 1)[0][0]["discriminator/hinge"] == play(still, 1)[0][0][
        "discriminator/hinge"
    ]  # fmt: skip
    assert play(config, 1)[0][0]["generator/adversarial"] != pytest.approx(
        play(still, 1)[0][0]["generator/adversarial"], rel=1e-3
    )


def test_penalties_are_computed_at_their_steps_only_and_count_for_the_others():
    losses, _ = play(GAMES["least squares, label-blind, R1"], 4)
    assert ["discriminator/r1" in step for step in losses] == [True, False, True, False]


@pytest.mark.parametrize("name", list(GAMES))
@pytest.mark.parametrize("updates", list(UPDATES))
def test_order_in_memory_changes_nothing_but_rounding(name, updates):
    config = with_run(GAMES[name], updates=updates)
    losses, _ = play(with_run(config, channels_last=True), 2)
    same, _ = play(with_run(config, channels_last=False), 2)
    for mine, other in zip(losses, same, strict=True):
        assert mine == near(other)


@pytest.mark.parametrize("name", list(GAMES))
def test_mixed_precision_plays_the_same_game_roughly(name):
    config = with_run(GAMES[name], precision="bfloat16")
    (mixed, *_), weights = play(config, 2)
    (full, *_), _ = play(GAMES[name], 2)
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    for term, value in full.items():
        assert mixed[term] == pytest.approx(value, rel=0.1, abs=0.05), term
