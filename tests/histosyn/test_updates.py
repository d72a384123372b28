"""One step of the game: against the plain way to compute it, and on several ranks."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ranks import run_ranks
from tissue import tiny_config

from histosyn.config import DiscriminatorConfig, LossConfig
from histosyn.losses import Verdict
from histosyn.objectives import make_objective
from histosyn.players import Players
from histosyn.scene import set_scene
from histosyn.shards.stream import Batch
from histosyn.updates import UPDATES, alternating, simultaneous

CPU = torch.device("cpu")
CLASSES = 4
BASE = tiny_config(Path("none"), Path("none"))
UNET = DiscriminatorConfig(kind="unet", base_channels=4, layers=3)
GAMES = {
    "hinge": BASE,
    "least squares, label-blind, R1": replace(
        BASE,
        discriminator=replace(BASE.discriminator, sees_labels=False),
        loss=LossConfig(objective="least_squares", r1=1.0, r1_interval=2),
    ),
    "class tables, pixel noise, recomputed": replace(
        BASE,
        generator=replace(
            BASE.generator, modulation="class_table", pixel_noise=True, recompute=True
        ),
    ),
    "linear entry": replace(BASE, generator=replace(BASE.generator, entry="linear", grid_size=2)),
    "pixels": replace(BASE, discriminator=UNET),
    "pixels, R1": replace(
        BASE, discriminator=UNET, loss=LossConfig(label_mix=0.0, r1=0.5, r1_interval=1)
    ),
}


def with_run(config, **run):
    return replace(config, run=replace(config.run, **run))


def batch(step, ranks=1, rank=0, count=4, side=32):
    """One rank's part of a batch whose label maps ignore some pixels."""
    generator = torch.Generator().manual_seed(step)
    coarse = torch.randint(0, CLASSES, (count, side // 8, side // 8), generator=generator)
    labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.uint8)
    labels[0, :5] = 255
    tiles = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    part = slice(rank * count // ranks, (rank + 1) * count // ranks)
    return Batch(
        number=step,
        tiles_NCHW=tiles[part],
        labels_NHW=labels[part],
        positions_N=torch.arange(count)[part],
        keys=[],
    )


def play(config, steps, ranks=1, rank=0):
    """Losses of all steps by name, and the weights they lead to."""
    players = Players(config, CLASSES, CPU)
    objective = make_objective(config.loss, config.discriminator, CPU)
    update, losses = UPDATES[config.run.updates], []
    for step in range(steps):
        scene = set_scene(config, batch(step, ranks, rank), step, CPU)
        played = update(players, objective, scene)
        losses.append({name: value.item() for name, value in played.losses.items()})
    weights = {
        name: weight.detach().clone()
        for network in players.networks.values()
        for name, weight in network.named_parameters()
    }
    return losses, weights


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
    ranks = [played[name] for played in two_ranks]
    for step, losses in enumerate(one):
        for term, value in losses.items():
            mean = sum(their[step][term] for their, _ in ranks) / 2
            assert mean == pytest.approx(value, rel=1e-9), (step, term)
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
    ranks = [played[name][0] for played in run_ranks(2, play_on_a_rank, compiled, 2, 2)]
    for step, losses in enumerate(one):
        for term, value in losses.items():
            mean = sum(theirs[step][term] for theirs in ranks) / 2
            assert mean == pytest.approx(value, rel=1e-9), (step, term)


def gradients(network):
    return {name: weight.grad for name, weight in network.named_parameters()}


def plainly(config, step):
    """Gradients of both players where each has forwards of its own and nobody moves."""
    players = Players(config, CLASSES, CPU)
    objective = make_objective(config.loss, config.discriminator, CPU)
    scene = set_scene(config, batch(step), step, CPU)
    generator, discriminator = players.generator.network, players.discriminator.network
    synthetic = generator(scene.labels_NHW, scene.noise("noise"))
    # In training each forward moves the estimates of spectral norms: all see those of the first.
    both = torch.cat([scene.tiles_NCHW, synthetic])
    features = discriminator(both, scene.labels_NHW.repeat(2, 1, 1))
    count = len(synthetic)
    real = [[layer[:count] for layer in scale] for scale in features]
    fake = [[layer[count:] for layer in scale] for scale in features]
    verdict = Verdict(
        labels_NHW=scene.labels_NHW,
        tiles_NCHW=scene.tiles_NCHW,
        synthetic_NCHW=synthetic,
        real=real,
        synthetic=fake,
    )
    found = []
    for network, terms in (
        (generator, objective.generator),
        (discriminator, objective.discriminator),
    ):
        loss = sum(term.weight * term.compute(verdict) for term in terms)
        weights = list(network.parameters())
        found.append(torch.autograd.grad(loss, weights, retain_graph=True))
    return found


@pytest.mark.parametrize("kind", ["patch", "unet"])
def test_simultaneous_updates_go_by_the_gradients_of_separate_backward_passes(kind):
    config = GAMES["hinge"] if kind == "patch" else GAMES["pixels"]
    config = replace(config, loss=replace(config.loss, label_mix=0.0))
    expected = plainly(config, 0)
    players = Players(config, CLASSES, CPU)
    objective = make_objective(config.loss, config.discriminator, CPU)
    played = simultaneous(players, objective, set_scene(config, batch(0), 0, CPU))
    for network, theirs in zip(players.networks.values(), expected, strict=True):
        for (name, mine), their in zip(gradients(network).items(), theirs, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-8, atol=1e-12, msg=name)
    norms = [torch.stack([g.norm() for g in theirs]).norm().item() for theirs in expected]
    assert [norm.item() for norm in played.gradient_norms.values()] == pytest.approx(norms[::-1])


@pytest.mark.parametrize("update", [simultaneous, alternating])
def test_each_network_forwards_as_often_as_the_order_asks(update):
    config = GAMES["hinge"]
    players = Players(config, CLASSES, CPU)
    calls = []
    for name, network in players.networks.items():
        network.register_forward_hook(
            lambda module, given, output, name=name: calls.append((name, torch.is_grad_enabled()))
        )
    objective = make_objective(config.loss, config.discriminator, CPU)
    update(players, objective, set_scene(config, batch(0), 0, CPU))
    learning = [name for name, graph in calls if graph]
    assert learning.count("generator") == 1
    if update is simultaneous:
        assert calls.count(("generator", True)) == len(calls) - 2
    else:
        assert calls[0] == ("generator", False)
        assert [name for name, _ in calls].count("discriminator") == 4


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
        assert mine == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("name", list(GAMES))
def test_mixed_precision_plays_the_same_game_roughly(name):
    config = with_run(GAMES[name], precision="bfloat16")
    (mixed, *_), weights = play(config, 2)
    (full, *_), _ = play(GAMES[name], 2)
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    for term, value in full.items():
        assert mixed[term] == pytest.approx(value, rel=0.1, abs=0.05), term
