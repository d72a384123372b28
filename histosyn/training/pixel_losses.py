"""Losses of a discriminator that tells of each pixel its class, or that it is synthetic.

Schönfeld et al., "You only need adversarial supervision for semantic image synthesis", ICLR 2021.
Pixels whose label is no class (255) count nowhere. Every mean is one over the pixels of all ranks:
how many count differs between ranks, so each rank's part is scaled by the number of ranks, of which
the averages of gradients and reports divide again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from histosyn.networks.discriminator import Features
from histosyn.training.losses import Compute, DiscriminatorOutputs
from hpc import collectives
from hpc.device_copies import sent
from hpc.randomness import uniform


@dataclass(frozen=True, kw_only=True)
class PixelWeights:
    """What pixels count: `class_K` by their class, as a share of all `pixels` that count at all."""

    class_K: torch.Tensor
    pixels: torch.Tensor


def pixel_weights(labels_NHW: torch.Tensor, classes: int, cap: float) -> PixelWeights:
    """Inverse class frequencies over all ranks' label maps, 1 for a class of average frequency.

    Schönfeld et al. 2021, eq. 1, divided by the number of classes present. No class counts more
    than `cap`: a handful of pixels of a rare class would outweigh all others.
    """
    counts = [(labels_NHW == number).sum() for number in range(classes)]
    counts_K = collectives.sum_over_ranks(torch.stack(counts))
    pixels = counts_K.sum()
    average = pixels / (counts_K > 0).sum().clamp(min=1)
    return PixelWeights(class_K=(average / counts_K.clamp(min=1)).clamp(max=cap), pixels=pixels)


def discriminator_pixels(cap: float) -> Compute:
    """Cross-entropy of the class of real pixels, plus that of synthetic ones being synthetic."""

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        real, synthetic = _logits(outputs.real), _logits(outputs.synthetic)
        classes = real.shape[1] - 1
        labels = outputs.labels_NHW
        weights = pixel_weights(labels, classes, cap)
        told = torch.where(labels < classes, classes, labels)
        return _cross_entropy(real, labels, weights) + _cross_entropy(synthetic, told, weights)

    return compute


def generator_pixels(cap: float) -> Compute:
    """Cross-entropy of synthetic pixels being taken for real ones of their class."""

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        logits = _logits(outputs.synthetic)
        weights = pixel_weights(outputs.labels_NHW, logits.shape[1] - 1, cap)
        return _cross_entropy(logits, outputs.labels_NHW, weights)

    return compute


def label_mix(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """E‖D(mixed) − mix of D(real) and D(synthetic)‖² over pixels and logits; ibid., eq. 4."""
    assert outputs.mixture is not None
    real, synthetic = _logits(outputs.real), _logits(outputs.synthetic)
    expected = torch.where(outputs.mixture.real_NHW[:, None], real, synthetic)
    squares_NHW = (_logits(outputs.mixture.features) - expected).square().mean(dim=1)
    counted_NHW = outputs.labels_NHW < real.shape[1] - 1
    pixels = collectives.sum_over_ranks(counted_NHW.sum()).clamp(min=1)
    return (squares_NHW * counted_NHW).sum() * collectives.world_size() / pixels


def mix_regions(labels_NHW: torch.Tensor, classes: int, keys: Sequence[int]) -> torch.Tensor:
    """(N, H, W), true where a mixed tile is real: a coin decides for each class of each image.

    `keys` has one an image. Cuts follow the label map's borders, which tell nothing by themselves.
    """
    throws = [uniform(key, np.arange(classes)) < 0.5 for key in keys]
    real_NK = sent(torch.from_numpy(np.stack(throws)), labels_NHW.device)
    index = labels_NHW.clamp(max=classes - 1).flatten(1)
    return real_NK.gather(1, index).view_as(labels_NHW)


def pixel_realness(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """The sum of a real tile's log-odds over the root of their number, (N,); as `patch_realness`.

    The odds of a pixel are those of any class against being synthetic.
    """
    logits = _logits(outputs.real)
    odds_NHW = torch.logsumexp(logits[:, :-1], dim=1) - logits[:, -1]
    counted_NHW = outputs.labels_NHW < logits.shape[1] - 1
    number_N = counted_NHW.sum(dim=(1, 2)).clamp(min=1)
    return (odds_NHW * counted_NHW).sum(dim=(1, 2)) / number_N.sqrt()


def pixel_accuracy(outputs: DiscriminatorOutputs) -> torch.Tensor:
    """Share of pixels, of both kinds of tiles, rightly told to be real or synthetic."""
    counted = outputs.labels_NHW < _logits(outputs.real).shape[1] - 1
    right = [
        (_called_synthetic(features) == truth) & counted
        for features, truth in ((outputs.real, False), (outputs.synthetic, True))
    ]
    return torch.stack(right).sum() / (2 * counted.sum()).clamp(min=1)


def _called_synthetic(features: Features) -> torch.Tensor:
    logits = _logits(features)
    return logits[:, -1] > logits[:, :-1].amax(dim=1)


def _logits(features: Features) -> torch.Tensor:
    """(N, K + 1, H, W), float32 at least."""
    ((logits,),) = features
    return logits if logits.dtype == torch.float64 else logits.float()


def _cross_entropy(
    logits: torch.Tensor, targets_NHW: torch.Tensor, weights: PixelWeights
) -> torch.Tensor:
    """Weighted mean; the last of the logits, being synthetic, counts 1 where it is the target."""
    weight = torch.cat([weights.class_K, weights.class_K.new_ones(1)]).to(logits.dtype)
    ignored = torch.iinfo(torch.uint8).max
    total = functional.cross_entropy(
        logits, targets_NHW, weight=weight, ignore_index=ignored, reduction="sum"
    )
    return total * collectives.world_size() / weights.pixels.clamp(min=1)
