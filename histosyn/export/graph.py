"""Building an ONNX graph node by node: names are given out, weights become initializers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from hpc.extras import missing_extra

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise missing_extra("Writing ONNX", "onnx", "onnx", error) from error

# The oldest in which all that is used means what it is used for here.
OPSET = 17
_IR_VERSION = 8
_BORDERS = {"replicate": "edge", "reflect": "reflect"}
Axis = int | str


class Graph:
    """A graph in the making. Methods take names of values and give the name of a new one."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._weights: list[Any] = []

    def input(self, name: str, shape: list[Axis], *, whole: bool = False) -> str:
        """An input of the graph: float32, or int64 if of whole numbers."""
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, values: torch.Tensor | np.ndarray) -> str:
        """A constant."""
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def numbers(self, *values: int) -> str:
        """A constant of whole numbers."""
        return self.weight(np.array(values, np.int64))

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def convolution(self, x: str, layer: nn.Conv2d) -> str:
        """A convolution of stride 1, its border as it is."""
        pads = [0, 0]
        if layer.padding_mode == "zeros":
            pads = [int(side) for side in layer.padding]
        elif any(layer.padding):
            up, left = (int(side) for side in layer.padding)
            ends = self.numbers(0, 0, up, left, 0, 0, up, left)
            x = self.add("Pad", x, ends, mode=_BORDERS[layer.padding_mode])
        weights = [self.weight(layer.weight)]
        if layer.bias is not None:
            weights.append(self.weight(layer.bias))
        return self.add("Conv", x, *weights, pads=pads * 2)

    def model(self, output: str, shape: list[Axis], facts: dict[str, str]) -> bytes:
        """The finished file; `output` is called tile."""
        self._nodes.append(helper.make_node("Identity", [output], ["tile"]))
        made = helper.make_tensor_value_info("tile", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, "generator", self._inputs, [made], self._weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="histosyn",
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data
