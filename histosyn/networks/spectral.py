"""Spectral normalization: a weight divided by an estimate of its largest singular value.

Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018: σ = u·(W·v),
u and v from one step of the power iteration in each forward pass. The same numbers, and the same
names in a checkpoint, as `torch.nn.utils.parametrizations.spectral_norm`, with fewer passes over
the weights: after the step v = Wᵀu/‖Wᵀu‖, so σ = ‖Wᵀu‖ needs no product of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from histosyn.networks.full_precision import own_precision
from histosyn.networks.recompute import computed_again
from hpc.device_copies import sent

Layer = TypeVar("Layer", bound=nn.Module)

# u, v and σ.
Estimate = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

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
        # What was estimated ahead for the next forward pass.
        self._estimate: Estimate | None = None
        self.register_buffer("_u", matrix.new_empty(len(matrix)))
        self.register_buffer("_v", functional.normalize(first, dim=0, eps=_EPS))
        # Without numbers, on the meta device, there is nothing to estimate.
        for _ in range(0 if weight.is_meta else _FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The normalized weight, in its own precision: autocast is for the convolutions."""
        with own_precision(weight):
            if self._estimate is not None:
                left, right, sigma = self._estimate
                self._estimate = None
            elif self.training and not computed_again():
                left, right, sigma = self._iterate(weight.detach().flatten(1))
            else:
                # Copies, because the next forward pass changes the vectors in place.
                left, right = self._u.clone(), self._v.clone()
                sigma = torch.dot(left, torch.mv(weight.detach().flatten(1), right))
            return _Divided.apply(weight, left, right, sigma)

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """What is assigned is taken as it is."""
        return value

    def _iterate(self, matrix: torch.Tensor) -> Estimate:
        """One step."""
        (estimate,) = _iterated([self], [matrix])
        return estimate


@torch.no_grad()
def _iterated(norms: Sequence[SpectralNorm], matrices: Sequence[torch.Tensor]) -> list[Estimate]:
    """One step of all norms; what is small is done for all of them in one operation."""
    lefts = _normalized([torch.mv(m, n._v) for n, m in zip(norms, matrices, strict=True)])[0]
    rights, sigmas = _normalized([torch.mv(m.T, u) for u, m in zip(lefts, matrices, strict=True)])
    torch._foreach_copy_([norm._u for norm in norms], lefts)
    torch._foreach_copy_([norm._v for norm in norms], rights)
    return list(zip(lefts, rights, sigmas, strict=True))


def _normalized(vectors: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Vectors of norm 1, and what their norms were."""
    norms = torch._foreach_norm(vectors)
    if len(vectors) == 1:
        return [vectors[0] / norms[0].clamp_min(_EPS)], list(norms)
    sizes = tuple(map(len, vectors))
    divisors = torch.stack(list(norms)).clamp_min(_EPS)
    divided = torch.cat(vectors).div_(divisors.index_select(0, _owners(sizes, divisors.device)))
    return list(divided.split(list(sizes))), list(norms)


def _owners(sizes: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Which vector each number belongs to, of vectors one after another."""
    # The same at every step. As an inference tensor it could not be used in training.
    with torch.inference_mode(False):
        return _kept_owners(sizes, device)


@cache
def _kept_owners(sizes: tuple[int, ...], device: torch.device) -> torch.Tensor:
    return sent(torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)), device)


def estimate_ahead(network: nn.Module) -> None:
    """Estimate the spectral norms of all layers that a forward pass in training will ask for.

    The same numbers as layer by layer, in fewer operations. Call it right before the forward pass
    of a network that uses each layer once.
    """
    found: list[tuple[SpectralNorm, torch.Tensor]] = []
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            made: Any = layer.parametrizations
            norms = [it for it in made.weight if isinstance(it, SpectralNorm)]
            found += [(norm, made.weight.original) for norm in norms]
    if not found or not all(norm.training for norm, _ in found):
        return
    with own_precision(found[0][1]), torch.no_grad():
        matrices = [weight.flatten(1) for _, weight in found]
        estimates = _iterated([norm for norm, _ in found], matrices)
    for (norm, _), estimate in zip(found, estimates, strict=True):
        norm._estimate = estimate


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
        ctx.save_for_backward(weight, left, right, sigma, normalized.flatten())
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
        # Flattened once: a gradient in channels_last is copied by it.
        rows = gradient.flatten(1)
        along = torch.dot(rows.flatten(), normalized)
        dw = torch.addr(rows, left * along, right, alpha=-1).div_(sigma)
        return dw.view_as(weight), None, None, None
