"""State dicts in the layout of the original's checkpoints, filled by a rule instead of training.

The rule is that of `original_checkpoint/README.md` in the folder of reference data: each tensor is
a function of its key, so that a file of any width can be made anywhere.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

_POWER_ITERATIONS = 5
BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")


def filled(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The state dict that the rule gives for these keys and shapes."""
    state = {key: _tensor(key, shape) for key, shape in shapes.items()}
    for key in shapes:
        if key.endswith("weight_orig"):
            stem = key.removesuffix("orig")
            state |= _iterated(state[key], stem, state[f"{stem}u"])
    state["conv_img.weight"] = state["conv_img.weight"] * 0.03
    return {key: torch.from_numpy(np.asarray(state[key])) for key in shapes}


def _tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key.endswith("num_batches_tracked"):
        return np.array(1000)
    random = np.random.Generator(np.random.Philox(zlib.crc32(key.encode())))
    x = random.standard_normal(int(np.prod(shape))).astype(np.float32).reshape(shape)
    if key.endswith("running_var"):
        return np.abs(x) + np.float32(0.5)
    if key.endswith("running_mean"):
        return x * np.float32(0.1)
    if key.endswith(("weight_u", "weight_v")):
        return x / np.linalg.norm(x)
    if key.endswith("bias"):
        return x * np.float32(0.05)
    return x * np.float32(2 / np.sqrt(np.prod(shape[1:]))) if len(shape) > 1 else x


def _iterated(weight: np.ndarray, stem: str, u: np.ndarray) -> dict[str, np.ndarray]:
    """The vectors of spectral normalization after some power iterations, in float64."""
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    for _ in range(_POWER_ITERATIONS):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    return {f"{stem}u": u.astype(np.float32), f"{stem}v": v.astype(np.float32)}


def tissue(
    state: Mapping[str, torch.Tensor], labels_NHW: torch.Tensor, z_NZ: torch.Tensor
) -> torch.Tensor:
    """What the original's network gives in eval mode, written down plainly from its description.

    Tiles (N, 3, H, W) in [-1, 1], computed in the dtype of `z_NZ`.
    """
    weights = {key: value.to(z_NZ.dtype) for key, value in state.items()}
    channels = state["head_0.norm_0.mlp_shared.0.weight"].shape[1]
    segments = functional.one_hot(labels_NHW.long(), channels).permute(0, 3, 1, 2).to(z_NZ.dtype)
    x = functional.linear(z_NZ, weights["fc.weight"], weights["fc.bias"])
    x = x.reshape(len(x), len(weights["head_0.conv_0.bias"]), -1)
    side = math.isqrt(x.shape[2])
    x = x.reshape(*x.shape[:2], side, side)
    for name in BLOCKS:
        if name != BLOCKS[0]:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        x = _block(Part(weights, name), x, functional.interpolate(segments, x.shape[2:]))
    return torch.tanh(Part(weights, "conv_img").conv(_leaky(x)))


class Part:
    """The tensors of a state dict whose keys begin with a name."""

    def __init__(self, weights: Mapping[str, torch.Tensor], name: str):
        self.weights, self.name = weights, name

    def __getitem__(self, key: str) -> torch.Tensor:
        return self.weights[f"{self.name}.{key}"]

    def has(self, key: str) -> bool:
        return f"{self.name}.{key}" in self.weights

    def inner(self, name: str) -> Part:
        return Part(self.weights, f"{self.name}.{name}")

    def conv(self, x: torch.Tensor) -> torch.Tensor:
        weight = self["weight"]
        return functional.conv2d(x, weight, self["bias"], padding=weight.shape[2] // 2)

    def spectral_conv(self, x: torch.Tensor) -> torch.Tensor:
        weight = self["weight_orig"]
        weight = weight / (self["weight_u"] @ (weight.flatten(1) @ self["weight_v"]))
        bias = self["bias"] if self.has("bias") else None
        return functional.conv2d(x, weight, bias, padding=weight.shape[2] // 2)

    def norm(self, x: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        free = self.inner("param_free_norm")
        x = functional.batch_norm(x, free["running_mean"], free["running_var"])
        hidden = functional.relu(self.inner("mlp_shared.0").conv(segments))
        gamma, beta = (self.inner(f"mlp_{what}").conv(hidden) for what in ("gamma", "beta"))
        return x * (1 + gamma) + beta


def _block(block: Part, x: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    y = x
    for number in (0, 1):
        y = _leaky(block.inner(f"norm_{number}").norm(y, segments))
        y = block.inner(f"conv_{number}").spectral_conv(y)
    if block.has("conv_s.weight_orig"):
        x = block.inner("conv_s").spectral_conv(block.inner("norm_s").norm(x, segments))
    return x + y


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, 0.2)
