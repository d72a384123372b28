"""Spectral normalization: PyTorch's numbers, gradients and names."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from histosyn.networks.recompute import recomputed
from histosyn.networks.spectral import estimate_ahead, spectral_norm


def layers() -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    ours = spectral_norm(nn.Conv2d(3, 5, 3).double())
    theirs = parametrizations.spectral_norm(nn.Conv2d(3, 5, 3).double())
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def gradients(layer: nn.Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    y = layer(x)
    return [y, *torch.autograd.grad(y.sin().sum(), list(layer.parameters()))]


def test_equals_that_of_pytorch_step_by_step() -> None:
    ours, theirs = layers()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    for _ in range(3):
        torch.testing.assert_close(gradients(ours, x), gradients(theirs, x))
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(gradients(ours, x), gradients(theirs, x))


def test_second_derivatives() -> None:
    ours, theirs = layers()
    found = []
    for layer in (ours, theirs):
        x = torch.linspace(-1, 1, 75, dtype=torch.float64).view(1, 3, 5, 5).requires_grad_()
        weight = layer.parametrizations.weight.original
        first = torch.autograd.grad(layer(x).sin().sum(), [x, weight], create_graph=True)
        penalty = sum(gradient.square().sum() for gradient in first)
        found.append(torch.autograd.grad(penalty, [x, weight]))
    torch.testing.assert_close(*found)


def test_estimated_ahead_is_estimated_once_and_the_same() -> None:
    """For all layers of a network at once; in eval mode, and where some layer is, not at all."""
    networks = []
    for ahead in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(*(spectral_norm(nn.Conv2d(3, 3, side).double()) for side in (3, 1)))
        for _ in range(2):
            if ahead:
                estimate_ahead(network)
            weights = [layer.weight for layer in network]
        if ahead:
            network[0].eval()
            network[0].parametrizations.eval()
            before = network.state_dict(), [it.clone() for it in network.state_dict().values()]
            estimate_ahead(network)
            torch.testing.assert_close(list(before[0].values()), before[1])
        networks.append((weights, network.state_dict()))
    torch.testing.assert_close(*networks)


def test_the_norm_is_one() -> None:
    torch.manual_seed(1)
    layer = spectral_norm(nn.Linear(7, 4))
    for _ in range(100):
        weight = layer.weight
    torch.testing.assert_close(torch.linalg.matrix_norm(weight, 2), torch.tensor(1.0))


def test_a_pass_that_is_computed_again_moves_nothing() -> None:
    ours, theirs = layers()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    again = torch.autograd.grad(recomputed(ours, x).sin().sum(), list(ours.parameters()))
    once = torch.autograd.grad(theirs(x).sin().sum(), list(theirs.parameters()))
    torch.testing.assert_close(again, once)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
