"""Losses as data: what a network minimizes is a tuple of named, weighted terms.

Here is the vocabulary, and the terms of discriminators that score patches; those that tell classes
of pixels have theirs in `histosyn.training.pixel_losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from histosyn.networks.batch_moments import at_least_float32
from histosyn.networks.discriminator import Features


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The discriminator's outputs for mixed tiles: real where `real_NHW`, else synthetic."""

    real_NHW: torch.Tensor
    features: Features


@dataclass(frozen=True, kw_only=True)
class DiscriminatorOutputs:
    """The discriminator's outputs for real and synthetic tiles with the same label maps.

    The tiles, (N, 3, H, W) in [-1, 1], are those it was shown, so that gradients reach them. `real`
    is empty where no term asks for it.
    """

    labels_NHW: torch.Tensor
    tiles_NCHW: torch.Tensor
    synthetic_NCHW: torch.Tensor
    real: Features
    synthetic: Features
    mixture: Mixture | None = None
    stain_NS: torch.Tensor | None = None


Compute = Callable[[DiscriminatorOutputs], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One summand of a network's loss: `weight` times what `compute` makes of the outputs.

    With an `interval` it is computed only at the steps that this divides, and counts so much more.
    With `differentiates_tiles` it needs real tiles that require gradients; a generator's term with
    `matches_real` needs the discriminator's features of real tiles, and no other term of it does.
    """

    name: str
    weight: float
    compute: Compute
    interval: int = 1
    differentiates_tiles: bool = False
    matches_real: bool = False

    def due(self, step: int) -> bool:
        """Whether it is computed at step 0, 1, ..."""
        return step % self.interval == 0


def discriminator_hinge(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over scales of E[max(0, 1 - D(real))] + E[max(0, 1 + D(synthetic))].

    Lim & Ye, "Geometric GAN", 2017, eq. 24.
    """
    return _mean_over_scales(
        outputs,
        lambda real, synthetic: (
            functional.relu(1 - real).mean() + functional.relu(1 + synthetic).mean()
        ),
    )


def generator_hinge(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over scales of −E[D(synthetic)]."""
    return torch.stack([-score.mean() for score in _scores(outputs.synthetic)]).mean()


def discriminator_least_squares(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over scales of ½ E[(D(real) − 1)²] + ½ E[D(synthetic)²].

    Mao et al., "Least squares generative adversarial networks", ICCV 2017, eq. 9.
    """
    return _mean_over_scales(
        outputs,
        lambda real, synthetic: ((real - 1).square().mean() + synthetic.square().mean()) / 2,
    )


def generator_least_squares(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over scales of ½ E[(D(synthetic) − 1)²]; Mao et al. 2017, eq. 9."""
    losses = [(score - 1).square().mean() / 2 for score in _scores(outputs.synthetic)]
    return torch.stack(losses).mean()


def feature_matching(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Mean over scales of the sum over layers of E|features(real) − features(synthetic)|.

    Wang et al. 2018, eq. 4. The real tiles' features are targets: no gradient reaches them.
    """
    losses = [
        functional.l1_loss(ours, target.detach())
        for real, synthetic in zip(outputs.real, outputs.synthetic, strict=True)
        for target, ours in zip(real[:-1], synthetic[:-1], strict=True)
    ]
    return torch.stack(losses).sum() / len(outputs.real)


def gradient_penalty(realness: Compute) -> Compute:
    """½ E‖∂realness / ∂tile‖² over real tiles, `realness` (N,) being one number a tile.

    R1 of Mescheder et al., "Which training methods for GANs do actually converge?", ICML 2018,
    eq. 9. Computed now and then only, as Karras et al. 2020 do. Real tiles must require gradients.
    """

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(
            realness(outputs).sum(), outputs.tiles_NCHW, create_graph=True
        )
        return gradient.square().sum(dim=(1, 2, 3)).mean() / 2

    return compute


def patch_realness(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """The sum of a real tile's scores over the root of their number, (N,).

    Scores of distant patches look at different pixels. So the square of this one's gradient is
    about that of a single score, on average, however many there are.
    """
    scores_NS = torch.cat([scale[-1].flatten(1) for scale in outputs.real], dim=1)
    return scores_NS.sum(dim=1) / scores_NS.shape[1] ** 0.5


def patch_accuracy(threshold: float) -> Compute:
    """Share of scores on the right side of the threshold, over both kinds of tiles and scales."""

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        return _mean_over_scales(
            outputs,
            lambda real, synthetic: (_share(real > threshold) + _share(synthetic < threshold)) / 2,
        )

    return compute


def _share(mask: torch.Tensor) -> torch.Tensor:
    return mask.mean(dtype=torch.float32)


def _mean_over_scales(
    outputs: DiscriminatorOutputs, of_scores: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    pairs = zip(_scores(outputs.real), _scores(outputs.synthetic), strict=True)
    return torch.stack([of_scores(real, synthetic) for real, synthetic in pairs]).mean()


def _scores(features: Features) -> list[torch.Tensor]:
    """What each scale says of each patch."""
    return [at_least_float32(scale[-1]) for scale in features]
