"""Sections `generator` and `discriminator`: kinds and sizes of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from histosyn.config.bounds import require_at_least, require_at_most
from hpc.errors import ConfigError

PretrainedChoice = Literal["none", "efficientnet-lite0", "efficientnet-lite2"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The generator's size."""

    base_channels: int = 32
    """Channels at full resolution; doubled at each coarser one."""
    max_multiplier: int = 16
    """Largest multiple of the base channels."""
    upsamplings: int = 5
    """Doublings of the resolution: the coarsest grid has a cell for 2^this pixels a side."""
    label_channels: int = 128
    """Channels of the label embedding in each modulation."""
    noise_channels: int = 64
    """Noise channels; half are constant over an image, half vary from cell to cell."""
    modulation: Literal["spade", "class_table"] = "spade"
    """How labels steer features: by their 5x5 neighbourhood, or by a scale and shift per class."""
    entry: Literal["grid", "linear"] = "grid"
    """Noise on the coarsest grid, for any tile size; or one vector and a linear layer, for one."""
    grid_size: int | None = None
    """Cells a side of the coarsest grid; only for entry linear, which is made for this size."""
    pixel_noise: bool = True
    """Add noise to the features at each resolution, with a learned strength per channel."""
    upsampling: Literal["nearest", "bilinear"] = "bilinear"
    """How features are doubled: each repeated, which can leave a weave; or filtered."""
    border: Literal["zeros", "replicate", "reflect"] = "replicate"
    """What the features' convolutions see beyond the border of an image."""
    stain: bool = True
    """Take a tile's stain as an input: optical densities, the same all over an image."""
    recompute: bool = False
    """Compute each block again in the backward pass rather than keep its activations in memory."""

    def __post_init__(self) -> None:
        require_at_most(
            self, base_channels=4096, max_multiplier=1024, upsamplings=12, label_channels=4096,
            noise_channels=4096, grid_size=1024,
        )  # fmt: skip
        require_at_least(
            self, base_channels=1, max_multiplier=1, upsamplings=1, label_channels=1,
            noise_channels=2, grid_size=1,
        )  # fmt: skip
        if (self.entry == "linear") != (self.grid_size is not None):
            raise ConfigError(
                f"generator.entry = {self.entry} and generator.grid_size = {self.grid_size}: entry "
                "linear needs a grid_size (such as 8), and entry grid takes none."
            )

    @property
    def stride(self) -> int:
        """Pixels a side of a cell of the coarsest grid."""
        return 1 << self.upsamplings

    @property
    def fixed_side(self) -> int | None:
        """Pixels a side of the only tiles that entry linear can make; None: any size will do."""
        return None if self.grid_size is None else self.grid_size * self.stride


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """The discriminator's kind and size."""

    kind: Literal["patch", "unet"] = "patch"
    """Score patches as real or synthetic; or tell each pixel's class, or that it is synthetic."""
    base_channels: int = 32
    """Channels of the first layer; doubled by each further one, up to 8 times."""
    layers: int = 4
    """Kind patch: convolutions before the one that gives the scores. Kind unet: halvings."""
    scales: int = 2
    """Kind patch: copies that look at the tile at full, half, ... resolution."""
    grain_channels: int = 16
    """Kind patch: channels of one more discriminator, of a few pixels at full resolution, whose
    matter is the finest detail; 0: none."""
    pretrained: PretrainedChoice | None = None
    """Kind patch: also judge the features of this frozen network, from an installed package.
    Unset: efficientnet-lite0 with kind patch, none with kind unet."""
    pretrained_channels: int = 48
    """Channels of the layers on such features, twice as many on the two deeper ones."""
    sees_labels: bool = True
    """Kind patch: judge whether the tile fits its label map; else only whether it looks real."""

    def __post_init__(self) -> None:
        require_at_most(self, base_channels=4096, layers=12, scales=8)
        require_at_most(self, pretrained_channels=4096, grain_channels=4096)
        require_at_least(
            self, base_channels=1, layers=1, scales=0, pretrained_channels=1, grain_channels=0
        )
        if self.pretrained is None:
            usual = "efficientnet-lite0" if self.kind == "patch" else "none"
            object.__setattr__(self, "pretrained", usual)
        if self.pretrained != "none" and self.kind != "patch":
            raise ConfigError(
                f"discriminator.pretrained = {self.pretrained} goes with kind patch, not "
                f"{self.kind}. Leave out one of them."
            )
        if self.kind == "patch" and not self.scales and self.pretrained == "none":
            raise ConfigError(
                "discriminator.scales = 0 leaves nothing that judges. Set it to 1 or more, or name "
                "a discriminator.pretrained network."
            )

    @property
    def frozen_network(self) -> str | None:
        """The pretrained network whose features are judged, if any are."""
        return None if self.pretrained == "none" else self.pretrained
