"""The generator and the training step as their papers describe them, in plain operations.

What the fast networks are measured against: γ and β from two separate convolutions of a one-hot map
that every layer resizes for itself, batch normalization and activation as modules, features in
PyTorch's usual order in memory; a step makes its synthetic tiles twice and lets the discriminator
judge real and synthetic tiles one after the other, twice (Park et al. 2019).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.generator import block_widths
from histosyn.networks.patterns import one_hot

_SLOPE = 0.2


class PlainSpade(nn.Module):
    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(channels, affine=False)
        self.embed = nn.Conv2d(classes, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        segments = functional.interpolate(segments, size=x.shape[2:], mode="nearest")
        hidden = functional.relu(self.embed(segments))
        return self.normalize(x) * (1 + self.gamma(hidden)) + self.beta(hidden)


class PlainBlock(nn.Module):
    def __init__(self, inner: int, outer: int, classes: int, hidden: int) -> None:
        super().__init__()
        middle = min(inner, outer)
        self.norm_0 = PlainSpade(inner, classes, hidden)
        self.conv_0 = spectral_norm(nn.Conv2d(inner, middle, 3, padding=1))
        self.norm_1 = PlainSpade(middle, classes, hidden)
        self.conv_1 = spectral_norm(nn.Conv2d(middle, outer, 3, padding=1))
        self.learned = inner != outer
        if self.learned:
            self.norm_s = PlainSpade(inner, classes, hidden)
            self.conv_s = spectral_norm(nn.Conv2d(inner, outer, 1, bias=False))

    def forward(self, x: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        y = self.conv_0(functional.leaky_relu(self.norm_0(x, segments), _SLOPE))
        y = self.conv_1(functional.leaky_relu(self.norm_1(y, segments), _SLOPE))
        return y + (self.conv_s(self.norm_s(x, segments)) if self.learned else x)


class PlainGenerator(nn.Module):
    """What `histosyn.networks.generator.Generator` computes, for label maps that fit its stride."""

    def __init__(self, config: GeneratorConfig, classes: int) -> None:
        super().__init__()
        self.classes, self.stride = classes, config.stride
        widths = block_widths(config)
        self.side = config.grid_size
        if self.side is None:
            self.entry = nn.Conv2d(config.noise_channels + classes, widths[0], 3, padding=1)
        else:
            self.entry = nn.Linear(config.noise_channels, widths[0] * self.side**2)
        self.blocks = nn.ModuleList(
            PlainBlock(inner, outer, classes, config.label_channels)
            for inner, outer in zip([widths[0], *widths[:-1]], widths, strict=True)
        )
        self.exit = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, labels_NHW: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        segments = one_hot(labels_NHW, self.classes, noise.dtype)
        if self.side is None:
            coarse = functional.interpolate(segments, scale_factor=1 / self.stride, mode="nearest")
            x = self.entry(torch.cat([noise, coarse], dim=1))
        else:
            x = self.entry(noise).unflatten(1, (-1, self.side, self.side))
        for number, block in enumerate(self.blocks):
            if number:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, segments)
        return torch.tanh(self.exit(functional.leaky_relu(x, _SLOPE)))

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over the weights of a `Generator`."""
        plain = {}
        for name, tensor in weights.items():
            name = name.replace(".shortcut.", ".conv_s.")
            if ".gamma_beta." in name:
                for half, part in zip(("gamma", "beta"), tensor.chunk(2), strict=True):
                    plain[name.replace("gamma_beta", half)] = part
            else:
                plain[name] = tensor
        self.load_state_dict(plain)


class PlainStep:
    """The updates of both networks: hinge loss, feature matching, two Adams."""

    def __init__(
        self,
        generator: GeneratorConfig,
        discriminator: DiscriminatorConfig,
        classes: int,
        device: torch.device,
    ) -> None:
        self.generator = PlainGenerator(generator, classes).to(device)
        self.discriminator = MultiscaleDiscriminator(discriminator, classes).to(device)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=4e-4, betas=(0.0, 0.99))
            for network in (self.generator, self.discriminator)
        ]

    def __call__(self, labels: torch.Tensor, tiles: torch.Tensor, noise: torch.Tensor) -> None:
        of_generator, of_discriminator = self.optimizers
        with torch.no_grad():
            synthetic = self.generator(labels, noise)
        judged, real = (self.discriminator(x, labels) for x in (synthetic, tiles))
        loss = sum(functional.relu(1 + x[-1]).mean() for x in judged)
        loss = loss + sum(functional.relu(1 - x[-1]).mean() for x in real)
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()

        judged = self.discriminator(self.generator(labels, noise), labels)
        with torch.no_grad():
            real = self.discriminator(tiles, labels)
        loss = -sum(x[-1].mean() for x in judged)
        for mine, theirs in zip(judged, real, strict=True):
            pairs = zip(mine[:-1], theirs[:-1], strict=True)
            loss = loss + 5 * sum(functional.l1_loss(x, y) for x, y in pairs)
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
