"""The updates of a step: how generator and discriminator learn from one batch.

`simultaneous`: one forward of each network serves both updates. The gradient on the synthetic tiles
is taken before the discriminator's optimizer steps, and goes back through the generator afterwards.
`alternating`: the discriminator's optimizer steps first, on synthetic tiles of its own; then the
generator makes new ones, which the updated discriminator scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from histosyn.networks.discriminator import Features
from histosyn.networks.spectral import estimate_ahead
from histosyn.training.adversaries import Adversaries, Adversary
from histosyn.training.losses import DiscriminatorOutputs, LossTerm, Mixture
from histosyn.training.objectives import Objective
from histosyn.training.step_inputs import StepInputs, arranged, autocast


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The result of an update: losses and gradient norms, by name, and outputs."""

    losses: dict[str, torch.Tensor]
    gradient_norms: dict[str, torch.Tensor]
    outputs: DiscriminatorOutputs


Update = Callable[[Adversaries, Objective, StepInputs], StepResult]


def simultaneous(adversaries: Adversaries, objective: Objective, inputs: StepInputs) -> StepResult:
    """Both optimizers step by gradients at the weights before the step."""
    result = simultaneous_gradients(adversaries, objective, inputs)
    adversaries.step_optimizers()
    return result


def simultaneous_gradients(
    adversaries: Adversaries, objective: Objective, inputs: StepInputs
) -> StepResult:
    """What both optimizers step by, left at the weights."""
    generator, discriminator = adversaries.generator, adversaries.discriminator
    with autocast(inputs.config, inputs.tiles_NCHW.device):
        levels = generator.network.levels_of(inputs.labels_NHW, inputs.tables)
        synthetic = generator.ddp(inputs.labels_NHW, inputs.noise("noise"), levels)
        shown = synthetic.detach().requires_grad_()
        outputs = _judge(discriminator.ddp, objective, inputs, shown)
        losses, loss = _evaluate(generator.name, objective.generator, outputs, inputs.step)
        more, discriminator_loss = _evaluate(
            discriminator.name, objective.discriminator, outputs, inputs.step
        )
    (to_tiles,) = torch.autograd.grad(loss, shown, retain_graph=True)
    norms = _differentiate(discriminator, discriminator_loss)
    norms |= _differentiate(generator, synthetic, to_tiles)
    return StepResult(losses=losses | more, gradient_norms=norms, outputs=outputs)


def alternating(adversaries: Adversaries, objective: Objective, inputs: StepInputs) -> StepResult:
    """The discriminator's optimizer steps first, the generator's by its new weights."""
    generator, discriminator = adversaries.generator, adversaries.discriminator
    with autocast(inputs.config, inputs.tiles_NCHW.device):
        with torch.no_grad():
            # Both forwards look at the same label maps, whose neighbourhoods are found once.
            levels = generator.network.levels_of(inputs.labels_NHW, inputs.tables)
            noise = inputs.noise("discriminator's noise")
            shown = generator.network(inputs.labels_NHW, noise, levels)
        outputs = _judge(discriminator.ddp, objective, inputs, shown)
        losses, loss = _evaluate(discriminator.name, objective.discriminator, outputs, inputs.step)
    norms = _differentiate(discriminator, loss)
    discriminator.optimizer.step()
    with autocast(inputs.config, inputs.tiles_NCHW.device), _frozen(discriminator.network):
        synthetic = generator.ddp(inputs.labels_NHW, inputs.noise("noise"), levels)
        theirs = _judge_frozen(discriminator.network, objective, inputs, synthetic)
        more, loss = _evaluate(generator.name, objective.generator, theirs, inputs.step)
    norms |= _differentiate(generator, loss)
    generator.optimizer.step()
    return StepResult(losses=losses | more, gradient_norms=norms, outputs=outputs)


UPDATES: dict[str, Update] = {"simultaneous": simultaneous, "alternating": alternating}


def _judge(
    discriminator: nn.Module, objective: Objective, inputs: StepInputs, synthetic_NCHW: torch.Tensor
) -> DiscriminatorOutputs:
    """Judge real and mixed tiles in one forward and synthetic ones in another.

    So the generator's gradient needs no way back through the half of a batch that is real. Both see
    the same weights: spectral norms are estimated once.
    """
    tiles, labels = inputs.tiles_NCHW, inputs.labels_NHW
    if any(term.differentiates_tiles and term.due(inputs.step) for term in objective.discriminator):
        tiles = tiles.detach().requires_grad_()
    with parametrize.cached():
        _estimate_ahead(discriminator, inputs)
        synthetic = discriminator(synthetic_NCHW, labels)
        if not objective.mixes:
            real, mixture = discriminator(tiles, labels), None
        else:
            classes = synthetic[-1][-1].shape[1] - 1
            real_NHW = inputs.regions(classes)
            mixed = torch.where(real_NHW[:, None], tiles.detach(), synthetic_NCHW.detach())
            both = arranged(torch.cat([tiles, mixed.to(tiles.dtype)]), inputs.config)
            real, features = _halves(discriminator(both, labels.repeat(2, 1, 1)))
            mixture = Mixture(real_NHW=real_NHW, features=features)
    return DiscriminatorOutputs(
        labels_NHW=labels,
        tiles_NCHW=tiles,
        synthetic_NCHW=synthetic_NCHW,
        real=real,
        synthetic=synthetic,
        mixture=mixture,
        stain_NS=inputs.stains,
    )


def _judge_frozen(
    discriminator: nn.Module, objective: Objective, inputs: StepInputs, synthetic_NCHW: torch.Tensor
) -> DiscriminatorOutputs:
    """Judge for the generator: real tiles only give features to match."""
    matched = any(term.matches_real and term.due(inputs.step) for term in objective.generator)
    with parametrize.cached():
        _estimate_ahead(discriminator, inputs)
        synthetic = discriminator(synthetic_NCHW, inputs.labels_NHW)
        with torch.no_grad():
            real = discriminator(inputs.tiles_NCHW, inputs.labels_NHW) if matched else []
    return DiscriminatorOutputs(
        labels_NHW=inputs.labels_NHW,
        tiles_NCHW=inputs.tiles_NCHW,
        synthetic_NCHW=synthetic_NCHW,
        real=real,
        synthetic=synthetic,
        stain_NS=inputs.stains,
    )


def _estimate_ahead(discriminator: nn.Module, inputs: StepInputs) -> None:
    # What is compiled does it by itself.
    if not inputs.config.run.compile:
        estimate_ahead(discriminator)


def _evaluate(
    adversary: str, terms: Sequence[LossTerm], outputs: DiscriminatorOutputs, step: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The due terms' values by "network/term", detached, and their weighted sum."""
    due = [term for term in terms if term.due(step)]
    values = [term.compute(outputs) for term in due]
    loss = torch.stack(
        [term.weight * term.interval * value for term, value in zip(due, values, strict=True)]
    ).sum()
    named = {
        f"{adversary}/{term.name}": value.detach() for term, value in zip(due, values, strict=True)
    }
    return named, loss


def _differentiate(
    adversary: Adversary, output: torch.Tensor, gradient: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """An output's gradient at a network's weights, and at nobody else's; its norm by name."""
    weights = list(adversary.network.parameters())
    adversary.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(output, gradient, inputs=weights)
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return {adversary.name: torch.stack(torch._foreach_norm(gradients)).norm()}


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
