"""Matrix products of float32 on a CPU by oneDNN, as convolutions are computed.

PyTorch hands such products to MKL, which leaves half of some processors unused (an AMD EPYC with
AVX-512: 95 against 215 GFLOP/s on one core), and 1x1 convolutions on one thread, too. Everything
else, autocast included, is left to PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

_ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def product(rows_MC: torch.Tensor, weight_OC: torch.Tensor) -> torch.Tensor:
    """rows·weightᵀ, (M, O); differentiable as often as wanted."""
    if not _is_for_onednn(rows_MC, weight_OC):
        return functional.linear(rows_MC, weight_OC)
    return _Product.apply(rows_MC, weight_OC)


def pointwise(x_NCHW: torch.Tensor, convolution: nn.Conv2d) -> torch.Tensor:
    """A convolution with 1x1 filters and no bias, (N, O, H, W); best in channels_last."""
    weight_OC = convolution.weight.flatten(1)
    if not _is_for_onednn(x_NCHW, weight_OC):
        return functional.conv2d(x_NCHW, weight_OC[:, :, None, None])
    batch, _, height, width = x_NCHW.shape
    rows_MO = product(x_NCHW.permute(0, 2, 3, 1).flatten(0, 2), weight_OC)
    return rows_MO.view(batch, height, width, -1).permute(0, 3, 1, 2)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_MC: torch.Tensor, weight_OC: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(rows_MC, weight_OC)
        return _ONEDNN(rows_MC.contiguous(), weight_OC.contiguous(), None, "none", [], "")

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        (dy_MO,) = gradients
        rows_MC, weight_OC = ctx.saved_tensors
        return (
            product(dy_MO, weight_OC.T) if ctx.needs_input_grad[0] else None,
            # For oneDNN both would have to be transposed, which costs what it gains.
            dy_MO.T @ rows_MC if ctx.needs_input_grad[1] else None,
        )


def _is_for_onednn(rows: torch.Tensor, weight_OC: torch.Tensor) -> bool:
    return (
        _ONEDNN is not None
        and torch.backends.mkldnn.is_available()
        and rows.device.type == "cpu"
        and rows.dtype == weight_OC.dtype == torch.float32
        and rows.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )
