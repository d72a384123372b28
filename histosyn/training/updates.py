"""One step of the game: both players' updates from one scene.

`simultaneous`: one forward of each network serves both players. The gradient on the synthetic tiles
is taken before the discriminator moves, and goes back through the generator afterwards.
`alternating`: the strict order. The discriminator moves first, by synthetic tiles of its own; then
the generator makes new ones, which the discriminator judges as it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import get_total_norm, parametrize

from histosyn.networks.discriminator import Features
from histosyn.training.adversaries import Player, Players
from histosyn.training.losses import LossTerm, Mixture, Verdict
from histosyn.training.objectives import Objective
from histosyn.training.step_inputs import Scene, arranged, autocast


@dataclass(frozen=True, kw_only=True)
class Played:
    """What an update left behind: losses and norms of gradients, by name, and a verdict."""

    losses: dict[str, torch.Tensor]
    gradient_norms: dict[str, torch.Tensor]
    verdict: Verdict


Update = Callable[[Players, Objective, Scene], Played]


def simultaneous(players: Players, objective: Objective, scene: Scene) -> Played:
    """Both players move from where both are now."""
    generator, discriminator = players.generator, players.discriminator
    with autocast(scene.config, scene.tiles_NCHW.device):
        synthetic = generator.shared(scene.labels_NHW, scene.noise("noise"))
        shown = synthetic.detach().requires_grad_()
        verdict = _judge(discriminator.shared, objective, scene, shown)
        losses, loss = _evaluate(generator.name, objective.generator, verdict, scene.step)
        more, discriminator_loss = _evaluate(
            discriminator.name, objective.discriminator, verdict, scene.step
        )
    (to_tiles,) = torch.autograd.grad(loss, shown, retain_graph=True)
    norms = _learn(discriminator, discriminator_loss)
    norms |= _learn(generator, synthetic, to_tiles)
    return Played(losses=losses | more, gradient_norms=norms, verdict=verdict)


def alternating(players: Players, objective: Objective, scene: Scene) -> Played:
    """The generator moves against a discriminator that has moved."""
    generator, discriminator = players.generator, players.discriminator
    with autocast(scene.config, scene.tiles_NCHW.device):
        with torch.no_grad():
            # Both forwards look at the same label maps, whose neighbourhoods are found once.
            levels = generator.network.levels_of(scene.labels_NHW)
            noise = scene.noise("discriminator's noise")
            shown = generator.network(scene.labels_NHW, noise, levels)
        verdict = _judge(discriminator.shared, objective, scene, shown)
        losses, loss = _evaluate(discriminator.name, objective.discriminator, verdict, scene.step)
    norms = _learn(discriminator, loss)
    with autocast(scene.config, scene.tiles_NCHW.device), _frozen(discriminator.network):
        synthetic = generator.shared(scene.labels_NHW, scene.noise("noise"), levels)
        theirs = _judge_frozen(discriminator.network, objective, scene, synthetic)
        more, loss = _evaluate(generator.name, objective.generator, theirs, scene.step)
    norms |= _learn(generator, loss)
    return Played(losses=losses | more, gradient_norms=norms, verdict=verdict)


UPDATES: dict[str, Update] = {"simultaneous": simultaneous, "alternating": alternating}


def _judge(
    discriminator: nn.Module, objective: Objective, scene: Scene, synthetic_NCHW: torch.Tensor
) -> Verdict:
    """Judge real and mixed tiles in one forward and synthetic ones in another.

    So the generator's gradient needs no way back through the half of a batch that is real. Both see
    the same weights: spectral norms are estimated once.
    """
    tiles, labels = scene.tiles_NCHW, scene.labels_NHW
    if any(term.differentiates_tiles and term.due(scene.step) for term in objective.discriminator):
        tiles = tiles.detach().requires_grad_()
    with parametrize.cached():
        synthetic = discriminator(synthetic_NCHW, labels)
        if not objective.mixes:
            real, mixture = discriminator(tiles, labels), None
        else:
            classes = synthetic[-1][-1].shape[1] - 1
            real_NHW = scene.regions(classes)
            mixed = torch.where(real_NHW[:, None], tiles.detach(), synthetic_NCHW.detach())
            both = arranged(torch.cat([tiles, mixed.to(tiles.dtype)]), scene.config)
            real, features = _halves(discriminator(both, labels.repeat(2, 1, 1)))
            mixture = Mixture(real_NHW=real_NHW, features=features)
    return Verdict(
        labels_NHW=labels,
        tiles_NCHW=tiles,
        synthetic_NCHW=synthetic_NCHW,
        real=real,
        synthetic=synthetic,
        mixture=mixture,
    )


def _judge_frozen(
    discriminator: nn.Module, objective: Objective, scene: Scene, synthetic_NCHW: torch.Tensor
) -> Verdict:
    """Judge for the generator: real tiles only give features to match."""
    matched = any(term.matches_real and term.due(scene.step) for term in objective.generator)
    with parametrize.cached():
        synthetic = discriminator(synthetic_NCHW, scene.labels_NHW)
        with torch.no_grad():
            real = discriminator(scene.tiles_NCHW, scene.labels_NHW) if matched else []
    return Verdict(
        labels_NHW=scene.labels_NHW,
        tiles_NCHW=scene.tiles_NCHW,
        synthetic_NCHW=synthetic_NCHW,
        real=real,
        synthetic=synthetic,
    )


def _evaluate(
    player: str, terms: Sequence[LossTerm], verdict: Verdict, step: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The due terms' values by "player/term", detached, and their weighted sum."""
    due = [term for term in terms if term.due(step)]
    values = [term.compute(verdict) for term in due]
    loss = torch.stack(
        [term.weight * term.interval * value for term, value in zip(due, values, strict=True)]
    ).sum()
    named = {
        f"{player}/{term.name}": value.detach() for term, value in zip(due, values, strict=True)
    }
    return named, loss


def _learn(
    player: Player, output: torch.Tensor, gradient: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Move a player's weights, and nobody else's, by an output's gradient; its norm by name."""
    weights = list(player.network.parameters())
    player.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(output, gradient, inputs=weights)
    norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    player.optimizer.step()
    return {player.name: norm}


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def _halves(features: Features) -> tuple[Features, Features]:
    pairs = [[layer.chunk(2) for layer in scale] for scale in features]
    return (
        [[first for first, _ in scale] for scale in pairs],
        [[second for _, second in scale] for scale in pairs],
    )
