"""The generator as an ONNX graph: label indices and noise in, tile out, any height and width.

The dense form of the modulation, γ and β for each pixel, since few programs can number
neighbourhoods. Inputs, for N images of H x W pixels, both multiples of the stride:

    labels          int64 (N, H, W), class indices; any other number is no class
    noise_entry     float32 (N, Z, H/stride, W/stride), or (N, Z) for a generator of one size
    noise_0, ...    float32 (N, 1, h, w), one for each block from the coarsest on, if it has any
    stain           float32 (N, S), if it takes one; NaN for a number that is not known

docs/export.md says how the noise is made, so that another program makes the same tile.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from histosyn.export.graph import Axis, Graph
from histosyn.models.folder import Model
from histosyn.networks.generator import Generator
from histosyn.networks.modulation import ClassTable, Modulation, Spade
from histosyn.networks.stain_input import StainInput

_SLOPE = 0.2
_FAR = (1 << 63) - 1


def onnx_bytes(model: Model) -> bytes:
    """The content of an ONNX file; `model` is in float32. Its metadata say what it is made of."""
    network, facts = model.network, model.facts
    config = network.config
    graph = Graph()
    builder = _Builder(graph, network)
    output = builder.build()
    side: Axis = config.fixed_side or "height"
    return graph.model(
        output,
        ["batch", 3, side, config.fixed_side or "width"],
        {
            "histosyn": json.dumps(
                {
                    "model_sha256": model.sha256,
                    "classes": [item.name for item in facts.schema.classes],
                    "stride": config.stride,
                    "noise_channels": config.noise_channels,
                    "mpp": facts.mpp,
                    "origin": "Tiles that this makes are synthetic and show no real tissue.",
                }
            )
        },
    )


class _Builder:
    """The steps of `Generator.forward`, as nodes."""

    def __init__(self, graph: Graph, network: Generator) -> None:
        self._graph, self._network = graph, network
        self._config = network.config

    def build(self) -> str:
        """Name of the tile."""
        graph, config = self._graph, self._config
        fixed = config.fixed_side
        labels = graph.input("labels", ["batch", fixed or "height", fixed or "width"], whole=True)
        levels = [
            self._level(labels, config.stride >> number) for number in range(config.upsamplings + 1)
        ]
        stain = self._stain()
        x = self._enter(levels[0])
        for number, level in enumerate(levels):
            x = self._rise(number, x, level, stain)
        x = graph.add("LeakyRelu", x, alpha=_SLOPE)
        return graph.add("Tanh", graph.convolution(x, self._network.exit))

    def _level(self, labels: str, step: int) -> str:
        """Labels (N, 1, h, w): the upper left pixel of each cell."""
        graph = self._graph
        if step > 1:
            ends = [graph.numbers(0, 0), graph.numbers(_FAR, _FAR), graph.numbers(1, 2)]
            labels = graph.add("Slice", labels, *ends, graph.numbers(step, step))
        return graph.add("Unsqueeze", labels, graph.numbers(1))

    def _one_hot(self, level: str) -> str:
        graph = self._graph
        classes = np.arange(self._network.classes, dtype=np.int64)[None, :, None, None]
        return graph.add("Cast", graph.add("Equal", level, graph.weight(classes)), to=1)

    def _enter(self, level: str) -> str:
        graph, config, entry = self._graph, self._config, self._network.entry
        channels = config.noise_channels
        if isinstance(entry, torch.nn.Linear):
            noise = graph.input("noise_entry", ["batch", channels])
            weights = [graph.weight(entry.weight), graph.weight(entry.bias)]
            x = graph.add("Gemm", noise, *weights, transB=1)
            side = config.grid_size or 1
            width = entry.out_features // side**2
            return graph.add("Reshape", x, graph.numbers(0, width, side, side))
        noise = graph.input("noise_entry", ["batch", channels, "rows", "columns"])
        x = graph.add("Concat", noise, self._one_hot(level), axis=1)
        return graph.convolution(x, entry)

    def _stain(self) -> str | None:
        """The standardized code, NaN counted as the mean."""
        graph, layer = self._graph, self._network.stain
        if layer is None:
            return None
        code = graph.input("stain", ["batch", len(layer.mean_S)])
        centred = graph.add("Sub", code, graph.weight(layer.mean_S))
        scaled = graph.add("Div", centred, graph.weight(layer.spread_S))
        zero = graph.weight(np.zeros(1, np.float32))
        return graph.add("Where", graph.add("IsNaN", scaled), zero, scaled)

    def _rise(self, number: int, x: str, level: str, stain: str | None) -> str:
        graph, block = self._graph, self._network.blocks[number]
        if number:
            x = self._doubled(x)
        if self._config.pixel_noise:
            noise = graph.input(
                f"noise_{number}", ["batch", 1, f"rows_{number}", f"columns_{number}"]
            )
            strength_C = self._network.noise_strengths[number]
            scaled = graph.add("Mul", noise, graph.weight(strength_C[:, None, None]))
            x = graph.add("Add", x, scaled)
        if stain is not None and self._network.stain is not None:
            x = graph.add("Add", x, self._shift(self._network.stain, number, stain))
        return self._block(block, x, level)

    def _doubled(self, x: str) -> str:
        graph = self._graph
        scales = graph.weight(np.array([1, 1, 2, 2], np.float32))
        if self._config.upsampling == "bilinear":
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        else:
            how = {
                "mode": "nearest", "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }  # fmt: skip
        return graph.add("Resize", x, "", scales, **how)

    def _shift(self, layer: StainInput, number: int, stain: str) -> str:
        graph, linear = self._graph, layer.shifts[number]
        assert isinstance(linear, torch.nn.Linear)
        weights = [graph.weight(linear.weight), graph.weight(linear.bias)]
        shift = graph.add("Gemm", stain, *weights, transB=1)
        return graph.add("Unsqueeze", shift, graph.numbers(2, 3))

    def _block(self, block: Any, x: str, level: str) -> str:
        graph = self._graph
        y = graph.convolution(self._modulated(block.norm_0, x, level, _SLOPE), block.conv_0)
        y = graph.convolution(self._modulated(block.norm_1, y, level, _SLOPE), block.conv_1)
        if block.norm_s is None:
            return graph.add("Add", y, x)
        shortcut = graph.convolution(self._modulated(block.norm_s, x, level), block.shortcut)
        return graph.add("Add", y, shortcut)

    def _modulated(self, layer: Modulation, x: str, level: str, slope: float = 1.0) -> str:
        graph = self._graph
        statistics = layer.normalize.statistics(None)
        mean, scale = (
            each[None, :, None, None] for each in (statistics.mean_C, statistics.scale_C)
        )
        gamma_beta = self._gamma_beta(layer, level)
        half = graph.numbers(len(statistics.mean_C))
        zero, one, end = graph.numbers(0), graph.numbers(1), graph.numbers(_FAR)
        gamma = graph.add("Slice", gamma_beta, zero, half, one)
        beta = graph.add("Slice", gamma_beta, half, end, one)
        normalized = graph.add("Mul", graph.add("Sub", x, graph.weight(mean)), graph.weight(scale))
        more = graph.add("Add", gamma, graph.weight(np.ones(1, np.float32)))
        y = graph.add("Add", graph.add("Mul", normalized, more), beta)
        return y if slope == 1 else graph.add("LeakyRelu", y, alpha=slope)

    def _gamma_beta(self, layer: Modulation, level: str) -> str:
        graph = self._graph
        if isinstance(layer, ClassTable):
            row = torch.zeros(1, layer.gamma_beta.shape[1])
            table = graph.weight(torch.cat([layer.gamma_beta.detach().cpu(), row]))
            none = graph.numbers(self._network.classes)
            index = graph.add("Min", graph.add("Squeeze", level, graph.numbers(1)), none)
            rows = graph.add("Gather", table, index, axis=0)
            return graph.add("Transpose", rows, perm=[0, 3, 1, 2])
        assert isinstance(layer, Spade)
        hidden = graph.add("Relu", graph.convolution(self._one_hot(level), layer.embed))
        return graph.convolution(hidden, layer.gamma_beta)
