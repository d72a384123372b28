"""The two players of the game, their optimizers and the moving average, built from a config."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from histosyn.config import TrainConfig
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.ema import Ema
from histosyn.networks.generator import Generator
from hpc import collectives
from hpc.randomness import key_of


class Players:
    """Generator and discriminator with everything that training changes in them.

    The same seed gives the same initial weights on every rank and device.
    """

    def __init__(self, config: TrainConfig, classes: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key_of(config.run.seed, "weights"))
            generator = Generator(config.generator, classes)
            discriminator = MultiscaleDiscriminator(config.discriminator, classes)
        dtype = torch.float64 if config.run.precision == "float64" else torch.float32
        self.generator = generator.to(device, dtype)
        self.discriminator = discriminator.to(device, dtype)
        self.ema = Ema(self.generator, config.run.ema_decay)
        settings = config.optimizer
        self.generator_optimizer = _adam(self.generator, settings.generator_lr, config)
        self.discriminator_optimizer = _adam(self.discriminator, settings.discriminator_lr, config)
        # What forwards go through whose backward must average gradients over ranks.
        self.shared_generator = _shared(self.generator)
        self.shared_discriminator = _shared(self.discriminator)

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint must hold of the players."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema.network,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


def _adam(network: nn.Module, lr: float, config: TrainConfig) -> torch.optim.Adam:
    betas = (config.optimizer.beta1, config.optimizer.beta2)
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)


def _shared(network: nn.Module) -> nn.Module:
    """Buffers need no synchronization: they are functions of what all ranks have in common."""
    if collectives.world_size() == 1:
        return network
    return DistributedDataParallel(network, forward_sync_buffers=False)
