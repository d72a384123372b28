"""Losses as data: what a player minimizes is a tuple of named, weighted terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from histosyn.config import LossConfig
from histosyn.networks.discriminator import Features


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the discriminator makes of real and of synthetic tiles with the same label maps."""

    real: Features
    synthetic: Features


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One summand of a player's loss: `weight` times what `compute` makes of a verdict."""

    name: str
    weight: float
    compute: Callable[[Verdict], torch.Tensor]


def discriminator_hinge(verdict: Verdict) -> torch.Tensor:
    """Mean over scales of E[max(0, 1 - D(real))] + E[max(0, 1 + D(synthetic))].

    Lim & Ye, "Geometric GAN", 2017, eq. 24.
    """
    losses = [
        functional.relu(1 - real[-1]).mean() + functional.relu(1 + synthetic[-1]).mean()
        for real, synthetic in zip(verdict.real, verdict.synthetic, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_hinge(verdict: Verdict) -> torch.Tensor:
    """Mean over scales of −E[D(synthetic)]."""
    return -torch.stack([synthetic[-1].mean() for synthetic in verdict.synthetic]).mean()


def feature_matching(verdict: Verdict) -> torch.Tensor:
    """Mean over scales of the sum over layers of E|features(real) − features(synthetic)|.

    Wang et al. 2018, eq. 4. The real tiles' features are targets: no gradient reaches them.
    """
    losses = [
        functional.l1_loss(ours, target.detach())
        for real, synthetic in zip(verdict.real, verdict.synthetic, strict=True)
        for target, ours in zip(real[:-1], synthetic[:-1], strict=True)
    ]
    return torch.stack(losses).sum() / len(verdict.real)


def generator_terms(config: LossConfig) -> tuple[LossTerm, ...]:
    """What the generator minimizes; terms of weight zero are left out."""
    terms = (
        LossTerm(name="adversarial", weight=config.adversarial, compute=generator_hinge),
        LossTerm(name="feature_matching", weight=config.feature_matching, compute=feature_matching),
    )
    return tuple(term for term in terms if term.weight)


def discriminator_terms() -> tuple[LossTerm, ...]:
    """What the discriminator minimizes."""
    return (LossTerm(name="hinge", weight=1.0, compute=discriminator_hinge),)
