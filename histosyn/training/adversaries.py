"""Generator and discriminator, their optimizers and the moving average, built from a config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from histosyn.config.train import TrainConfig
from histosyn.networks.compiling import compile_layers
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.discriminator_projected import ProjectedDiscriminator
from histosyn.networks.discriminator_unet import UnetDiscriminator
from histosyn.networks.ema import Ema
from histosyn.networks.generator import Generator
from histosyn.stain.seen import SeenStains
from histosyn.training.step_inputs import dtype_of
from hpc import collectives
from hpc.randomness import key_of

DISCRIMINATORS = {"patch": MultiscaleDiscriminator, "unet": UnetDiscriminator}


Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Adversary(Generic[Network]):
    """A network and its optimizer.

    Forwards whose backward must average gradients over ranks go through `ddp`, the network in
    DistributedDataParallel.
    """

    name: str
    network: Network
    ddp: nn.Module
    optimizer: torch.optim.Optimizer


class Adversaries:
    """Generator and discriminator with everything that training changes in them.

    The same seed gives the same initial weights on every rank and device.
    """

    def __init__(self, config: TrainConfig, classes: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key_of(config.run.seed, "weights"))
            generator = Generator(config.generator, classes)
            kind: type[nn.Module] = DISCRIMINATORS[config.discriminator.kind]
            if config.discriminator.frozen_network is not None:
                kind = ProjectedDiscriminator
            discriminator = kind(config.discriminator, classes)
        generator.to(device, dtype_of(config))
        discriminator.to(device, dtype_of(config))
        if config.run.compile:
            # Not the generator: what its pixels share differs from batch to batch.
            compile_layers(discriminator)
        self.ema = Ema(generator, config.run.ema_decay)
        settings = config.optimizer
        self.generator = _adversary("generator", generator, settings.generator_lr, config)
        self.discriminator = _adversary(
            "discriminator", discriminator, settings.discriminator_lr, config
        )

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Both networks, by name."""
        return {
            adversary.name: adversary.network for adversary in (self.generator, self.discriminator)
        }

    def step_optimizers(self) -> None:
        """Move the weights of both by the gradients that lie at them."""
        self.discriminator.optimizer.step()
        self.generator.optimizer.step()

    def standardize_stains(self, stains: SeenStains) -> None:
        """Let the generator, and its average, take stain codes in spreads of these."""
        for network in (self.generator.network, self.ema.network):
            if network.stain is not None:
                network.stain.standardize(stains)

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint must hold of the two."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            **self.networks,
            "ema": self.ema.network,
            "generator_optimizer": self.generator.optimizer,
            "discriminator_optimizer": self.discriminator.optimizer,
        }


def _adversary(name: str, network: Network, lr: float, config: TrainConfig) -> Adversary[Network]:
    betas = (config.optimizer.beta1, config.optimizer.beta2)
    return Adversary(
        name=name,
        network=network,
        ddp=_ddp(network),
        # Fused: one pass over weights and states, several times faster on any device.
        optimizer=torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True),
    )


def _ddp(network: nn.Module) -> nn.Module:
    """Buffers need no synchronization: they are functions of what all ranks have in common."""
    if collectives.world_size() == 1:
        return network
    return DistributedDataParallel(network, forward_sync_buffers=False)
