"""Spectral normalization: a weight divided by an estimate of its largest singular value.

Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018: σ = u·(W·v),
u and v from one step of the power iteration in each forward pass. The same numbers, and the same
names in a checkpoint, as `torch.nn.utils.parametrizations.spectral_norm`, with fewer passes over
the weights: after the step v = Wᵀu/‖Wᵀu‖, so σ = ‖Wᵀu‖ needs no product of its own.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from histosyn.networks.full_precision import own_precision
from histosyn.networks.recompute import computed_again

Layer = TypeVar("Layer", bound=nn.Module)

_EPS = 1e-12
_FIRST_ITERATIONS = 15


def spectral_norm(layer: Layer) -> Layer:
    """The layer, with its `weight` (out, ...) divided by its spectral norm."""
    weight = layer.get_parameter("weight")
    parametrize.register_parametrization(layer, "weight", SpectralNorm(weight))
    return layer


class SpectralNorm(nn.Module):
    """W/σ. In training each forward pass improves the estimate, unless it is computed again."""

    _u: torch.Tensor
    _v: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        first = torch.randn_like(matrix[0])
        self.register_buffer("_u", matrix.new_empty(len(matrix)))
        self.register_buffer("_v", functional.normalize(first, dim=0, eps=_EPS))
        # Without numbers, on the meta device, there is nothing to estimate.
        for _ in range(0 if weight.is_meta else _FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The normalized weight, in its own precision: autocast is for the convolutions."""
        with own_precision(weight):
            matrix = weight.detach().flatten(1)
            if self.training and not computed_again():
                sigma = self._iterate(matrix)
            else:
                sigma = torch.dot(self._u, torch.mv(matrix, self._v))
            # Copies, because the next forward pass changes the vectors in place.
            return _Divided.apply(weight, self._u.clone(), self._v.clone(), sigma)

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """What is assigned is taken as it is."""
        return value

    @torch.no_grad()
    def _iterate(self, matrix: torch.Tensor) -> torch.Tensor:
        """One step; returns σ."""
        self._u.copy_(functional.normalize(torch.mv(matrix, self._v), dim=0, eps=_EPS))
        product = torch.mv(matrix.T, self._u)
        sigma = product.norm()
        self._v.copy_(product / sigma.clamp_min(_EPS))
        return sigma


class _Divided(torch.autograd.Function):
    """W/σ with σ = u·(W·v): dW = (dN − (dN·N)·u·vᵀ)/σ for the result N."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: torch.Tensor,
        left: torch.Tensor,
        right: torch.Tensor,
        sigma: torch.Tensor,
    ) -> torch.Tensor:
        normalized = weight / sigma
        ctx.save_for_backward(weight, left, right, sigma, normalized)
        return normalized

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = gradients
        weight, left, right, sigma, normalized = ctx.saved_tensors
        if torch.is_grad_enabled():
            # Somebody wants second derivatives: go through differentiable operations.
            composite = weight / torch.dot(left, torch.mv(weight.flatten(1), right))
            (dw,) = torch.autograd.grad(composite, weight, gradient, create_graph=True)
            return dw, None, None, None
        along = torch.dot(gradient.flatten(), normalized.flatten())
        dw = torch.addr(gradient.flatten(1), left * along, right, alpha=-1).div_(sigma)
        return dw.view_as(weight), None, None, None
