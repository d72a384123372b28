"""How a model's numbers are stored: in float32, or rounded to take half the space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

Stored = Literal["float32", "bfloat16"]
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def stored_as(kind: Stored, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors, those of fractions as `kind`; `load_model` makes float32 of them again."""
    return {
        name: tensor.to(_TYPES[kind]) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def how_stored(state: Mapping[str, torch.Tensor]) -> Stored:
    """bfloat16 if all fractions are held so."""
    kinds = {tensor.dtype for tensor in state.values() if tensor.is_floating_point()}
    return "bfloat16" if kinds == {torch.bfloat16} else "float32"
