"""Operations of a step by what they belong to, as a Markdown table.

    PYTHONPATH=tests python -m sim_device ["training step: tables everywhere, float32"]

counts a piece of work of `work.py`. Kernels in brackets; what a group has many of is told each,
too, with its way back as far as it is ours. Autograd's own cannot be told apart by layer.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch
from games import CLASSES, FEATURES
from scripted import saved
from torch import nn

from histosyn.networks.modulation import Modulation
from histosyn.networks.spectral import SpectralNorm
from histosyn.training.adversaries import Adversaries
from sim_device import SIM, Sim
from sim_device.work import STEPS, WORK

DEFAULT = "training step: hinge, float32"
# By how the name of a place begins; the first that fits.
GROUPS = {
    "modulation": ("modulation", "fused_modulation", "whole_modulation", "folded_tables",
                   "pixel_rows", "batch_moments", "sync_batchnorm", "bags"),
    "spectral norm": ("spectral",),
    "convolutions, forward": ("convolutions", "matmul"),
    "label maps": ("patterns", "levels", "packed_integers"),
    "noise": ("randomness", "noise"),
    "stain": ("code", "stain_input"),
    "enlarging": ("filtered_doubling", "full_precision"),
    "discriminator's other layers": ("discriminator", "efficientnet_lite", "frozen_features"),
    "losses, accuracy": ("losses", "pixel_losses", "objectives", "diagnostics", "perceptual"),
    "optimizers, norms of gradients": ("updates._differentiate", "step_optimizers"),
    "moving average": ("ema",),
    "autograd's own": ("elsewhere",),
}  # fmt: skip


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, Sim() as sim:
        os.chdir(folder)
        saved(nn.AvgPool2d(4), FEATURES)
        work = WORK[name](SIM, Path(folder))
        with sim.counting(places=True) as tally:
            work()
    operations, kernels = Counter(), Counter()
    for (_, place, starts), count in tally.places.items():
        operations[group_of(place)] += count
        kernels[group_of(place)] += count * starts
    layers = layers_of(name)
    print(f"{name}: {tally.operations} ({tally.kernels})\n")
    print("| what | operations | how many of it | each |")
    print("|---|--:|--:|--:|")
    for group, count in operations.most_common():
        many, each = layers.get(group, ""), ""
        if many:
            each = f"{count / many:.1f} ({kernels[group] / many:.1f})"
        print(f"| {group} | {count} ({kernels[group]}) | {many} | {each} |")


def group_of(place):
    """`place` as `sim_device.tally.place` gives it."""
    for group, starts in GROUPS.items():
        if any(f".{start}" in f".{place}" for start in starts):
            return group
    return "the rest"


def layers_of(name):
    """How many layers of a group a training step's networks have."""
    _, _, step = name.partition(": ")
    config = STEPS.get(step.rpartition(", ")[0])
    if config is None:
        return {}
    networks = Adversaries(config, CLASSES, torch.device("cpu")).networks.values()
    modules = [module for network in networks for module in network.modules()]
    kinds = {"modulation": Modulation, "spectral norm": SpectralNorm}
    return {group: sum(isinstance(it, kind) for it in modules) for group, kind in kinds.items()}


if __name__ == "__main__":
    main()
