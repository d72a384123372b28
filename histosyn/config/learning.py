"""Sections `optimizer` and `loss`: what networks minimize, and at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histosyn.config.bounds import require_at_least
from histosyn.config.networks import PretrainedChoice
from hpc.errors import ConfigError
from hpc.paths import settle_paths


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam for both players."""

    generator_lr: float = 4e-4
    """Learning rate of the generator."""
    discriminator_lr: float = 4e-4
    """Learning rate of the discriminator."""
    beta1: float = 0.0
    """Decay of the gradient's running mean."""
    beta2: float = 0.99
    """Decay of the squared gradient's running mean."""

    def __post_init__(self) -> None:
        require_at_least(self, generator_lr=0.0, discriminator_lr=0.0, beta1=0.0, beta2=0.0)
        if max(self.beta1, self.beta2) >= 1:
            raise ConfigError("optimizer.beta1 and optimizer.beta2 must lie in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What the players minimize, and the weights of its terms; 0 leaves a term out."""

    objective: Literal["hinge", "least_squares"] = "hinge"
    """Discriminator kind patch: the adversarial loss of both players."""
    adversarial: float = 1.0
    """The generator's adversarial loss."""
    feature_matching: float = 5.0
    """Kind patch: distance of the discriminator's features of real and synthetic tiles."""
    stain: float = 1.0
    """With generator.stain: difference of the synthetic tile's stain from the one given."""
    perceptual: float = 0.0
    """Distance of a given network's features of real and synthetic tiles."""
    perceptual_pretrained: PretrainedChoice = "none"
    """That network: one whose weights come in an installed package, layer by layer."""
    perceptual_network: Path | None = None
    """Or a TorchScript file: from tiles in [-1, 1] to a tensor of features or a list of such."""
    perceptual_runs_code: bool = False
    """Run that file, which is a program: it can write files. Only for files of people you trust."""
    label_mix: float = 10.0
    """Kind unet: a tile mixed of real and synthetic regions is to be judged region by region."""
    class_weight_cap: float = 10.0
    """Kind unet: the most that a pixel of a rare class counts; one of an average class counts 1."""
    r1: float = 0.0
    """Penalty on the discriminator's gradient at real tiles."""
    r1_interval: int = 16
    """Steps between two computations of that penalty, which then counts so many times."""

    def __post_init__(self) -> None:
        settle_paths(self, "loss")
        require_at_least(
            self, adversarial=0.0, feature_matching=0.0, perceptual=0.0, label_mix=0.0,
            class_weight_cap=1.0, r1=0.0, r1_interval=1,
        )  # fmt: skip
        named = self.perceptual_pretrained != "none"
        if self.perceptual and not named and self.perceptual_network is None:
            raise ConfigError(
                f"loss.perceptual = {self.perceptual} needs loss.perceptual_pretrained, a network "
                "from a package, or loss.perceptual_network, a TorchScript file of one."
            )
        if named and self.perceptual_network is not None:
            raise ConfigError(
                "loss.perceptual_pretrained and loss.perceptual_network each name a network. Leave "
                "out one."
            )

    @property
    def frozen_network(self) -> str | None:
        """The pretrained network whose features are compared, if any are."""
        used = self.perceptual and self.perceptual_pretrained != "none"
        return self.perceptual_pretrained if used else None
