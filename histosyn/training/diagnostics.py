"""Diagnostics of GAN training besides the losses, cheap enough for every step."""

from __future__ import annotations

import torch

from histosyn.training.losses import Compute
from histosyn.training.steps import StepTrainer
from histosyn.training.updates import StepResult
from hpc.log import logger

# tanh(3): where a colour's gradient is a hundredth of what it is in the middle.
SATURATED = 0.995
# Real glass is white as well: a warning is due where synthetic tiles have so much more of it.
_MUCH_MORE = 0.25


@torch.no_grad()
def diagnose(result: StepResult, accuracy: Compute) -> dict[str, torch.Tensor]:
    """Scalars by the names that reports give them: norms of gradients, accuracy, saturation.

    `saturated` are shares of the colour values of synthetic and real tiles at the ends of tanh.
    """
    outputs = result.outputs
    return {
        **{f"gradient_norm/{name}": norm for name, norm in result.gradient_norms.items()},
        "discriminator_accuracy": accuracy(outputs),
        "saturated/synthetic": _saturated(outputs.synthetic_NCHW),
        "saturated/real": _saturated(outputs.tiles_NCHW),
    }


def _saturated(tiles_NCHW: torch.Tensor) -> torch.Tensor:
    return (tiles_NCHW.abs() > SATURATED).mean(dtype=torch.float32)


class WarnOfSaturation:
    """Warns, once, of saturated (blank) tiles: the known failure of this GAN at 512 pixels."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self._warned = False

    def __call__(self, trainer: StepTrainer) -> None:
        """Compare this rank's tiles of this step."""
        # What is made up for after a restart has no step of its own.
        if self._warned or not trainer.diagnostics:
            return
        synthetic, real = (
            float(trainer.diagnostics[f"saturated/{kind}"]) for kind in ("synthetic", "real")
        )
        if synthetic > real + _MUCH_MORE:
            self._warned = True
            logger.warning(
                "At step %d %.0f %% of the synthetic colour values are black or white to the end "
                "(real tiles: %.0f %%): the generator is saturating, and may not recover. Look at "
                "samples/; lower learning rates (optimizer.*) help if it stays.",
                trainer.step, 100 * synthetic, 100 * real,
            )  # fmt: skip
