"""Named starting points for a configuration: only what differs from the defaults.

A preset lies under the configuration file, and that under the command line. docs/presets.md tells
what each is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings by section, as they would stand in a configuration file, and what they are for."""

    purpose: str
    settings: dict[str, dict[str, Any]]


PRESETS = {
    "fast": Preset(
        purpose="small networks: something to look at after minutes on a CPU",
        settings={
            "generator": {"base_channels": 16, "label_channels": 64},
            "discriminator": {"base_channels": 16},
            # In a few hundred steps the usual rate does not get as far (docs/quality.md).
            "optimizer": {"generator_lr": 1e-3, "discriminator_lr": 1e-3},
            "run": {"precision": "auto"},
        },
    ),
    "quality": Preset(
        purpose="large networks, for days on GPUs",
        settings={
            "generator": {"base_channels": 64},
            "discriminator": {"base_channels": 64},
            "optimizer": {"generator_lr": 1e-4},
            "loss": {"feature_matching": 10.0},
            "run": {"precision": "auto", "ema_decay": 0.9999},
        },
    ),
    # Falahkheirkhah et al. 2023, as their published code trains: least squares alone, and one
    # forward of the generator for both updates. It rebuilt the optimizers in every iteration, which
    # made sign descent of Adam, and swapped Adam's betas: here both are as they were meant.
    "paper": Preset(
        purpose="the original's networks and objective, for 512-pixel tiles, its bugs corrected",
        settings={
            "generator": {
                "base_channels": 64,
                "upsamplings": 6,
                "noise_channels": 256,
                "entry": "linear",
                "grid_size": 8,
                "pixel_noise": False,
                "upsampling": "nearest",
                "border": "zeros",
                "stain": False,
            },
            "discriminator": {
                "base_channels": 64,
                "scales": 3,
                "grain_channels": 0,
                "sees_labels": False,
                "pretrained": "none",
            },
            "optimizer": {
                "generator_lr": 2e-4,
                "discriminator_lr": 2e-4,
                "beta1": 0.9,
                "beta2": 0.999,
            },
            "loss": {"objective": "least_squares", "adversarial": 10.0, "feature_matching": 0.0},
        },
    ),
}
