"""What both networks minimize, by the kind of discriminator and the configured weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from histosyn.config.learning import LossConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.stain_input import StainInput
from histosyn.training.losses import (
    Compute,
    LossTerm,
    discriminator_hinge,
    discriminator_least_squares,
    feature_matching,
    generator_hinge,
    generator_least_squares,
    gradient_penalty,
    patch_accuracy,
    patch_realness,
)
from histosyn.training.perceptual import perceptual, pretrained_perceptual
from histosyn.training.pixel_losses import (
    discriminator_pixels,
    generator_pixels,
    label_mix,
    pixel_accuracy,
    pixel_realness,
)
from histosyn.training.stain_loss import stain_difference


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The terms of both networks, and how often the discriminator is right (a share)."""

    discriminator: tuple[LossTerm, ...]
    generator: tuple[LossTerm, ...]
    accuracy: Compute

    @property
    def mixes(self) -> bool:
        """Whether the discriminator must see mixed tiles."""
        return any(term.compute is label_mix for term in self.discriminator)


def make_objective(
    loss: LossConfig,
    discriminator: DiscriminatorConfig,
    device: torch.device,
    stain: StainInput | None = None,
) -> Objective:
    """The objective of a configuration; terms of weight 0 are left out.

    Raises InputError for a perceptual network that cannot be used, or may not be run.
    """
    make = {"patch": _of_patches, "unet": _of_pixels}[discriminator.kind]
    objective = make(loss)
    return replace(
        objective,
        discriminator=_weighted(objective.discriminator),
        generator=_weighted((*objective.generator, *_of_images(loss, device, stain))),
    )


def _of_images(
    loss: LossConfig, device: torch.device, stain: StainInput | None
) -> Iterator[LossTerm]:
    """What the generator minimizes whatever the discriminator is."""
    if stain is not None:
        yield LossTerm(name="stain", weight=loss.stain, compute=stain_difference(stain))
    if loss.perceptual:
        compute = _perceptual(loss, device)
        yield LossTerm(name="perceptual", weight=loss.perceptual, compute=compute)


def _perceptual(loss: LossConfig, device: torch.device) -> Compute:
    if loss.perceptual_network is None:
        return pretrained_perceptual(loss.perceptual_pretrained, device)
    return perceptual(loss.perceptual_network, device, run_code=loss.perceptual_runs_code)


@dataclass(frozen=True, kw_only=True)
class _Adversarial:
    """An adversarial loss of patch scores, and the score midway between its two targets."""

    discriminator: Compute
    generator: Compute
    midway: float


_ADVERSARIAL = {
    "hinge": _Adversarial(discriminator=discriminator_hinge, generator=generator_hinge, midway=0.0),
    "least_squares": _Adversarial(
        discriminator=discriminator_least_squares, generator=generator_least_squares, midway=0.5
    ),
}


def _of_patches(loss: LossConfig) -> Objective:
    adversarial = _ADVERSARIAL[loss.objective]
    return Objective(
        discriminator=(
            LossTerm(name=loss.objective, weight=1.0, compute=adversarial.discriminator),
            _r1(loss, patch_realness),
        ),
        generator=(
            LossTerm(name="adversarial", weight=loss.adversarial, compute=adversarial.generator),
            LossTerm(
                name="feature_matching",
                weight=loss.feature_matching,
                compute=feature_matching,
                matches_real=True,
            ),
        ),
        accuracy=patch_accuracy(adversarial.midway),
    )


def _of_pixels(loss: LossConfig) -> Objective:
    cap = loss.class_weight_cap
    return Objective(
        discriminator=(
            LossTerm(name="pixels", weight=1.0, compute=discriminator_pixels(cap)),
            LossTerm(name="label_mix", weight=loss.label_mix, compute=label_mix),
            _r1(loss, pixel_realness),
        ),
        generator=(
            LossTerm(name="adversarial", weight=loss.adversarial, compute=generator_pixels(cap)),
        ),
        accuracy=pixel_accuracy,
    )


def _r1(loss: LossConfig, realness: Compute) -> LossTerm:
    return LossTerm(
        name="r1",
        weight=loss.r1,
        compute=gradient_penalty(realness),
        interval=loss.r1_interval,
        differentiates_tiles=True,
    )


def _weighted(terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    return tuple(term for term in terms if term.weight)
