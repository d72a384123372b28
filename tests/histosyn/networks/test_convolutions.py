"""Every form of a convolution is the same function, as often as it is differentiated."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.networks import convolutions
from histosyn.networks.convolutions import FORMS, Convolution, computed_as
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.discriminator_unet import UnetDiscriminator
from histosyn.networks.generator import Generator


@dataclass(frozen=True, kw_only=True)
class Case:
    """A convolution, and tiles (N, C, H, W) to show to it."""

    inner: int
    outer: int
    side: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    tiles: int = 2

    def layer(self, kind: type[nn.Conv2d]) -> nn.Conv2d:
        torch.manual_seed(1)
        return kind(
            self.inner, self.outer, self.kernel, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups, bias=self.bias,
        ).double()  # fmt: skip

    def shown(self) -> torch.Tensor:
        torch.manual_seed(2)
        x = torch.randn(self.tiles, self.inner, self.side, self.side, dtype=torch.float64)
        return x.contiguous(memory_format=torch.channels_last)


# As the networks have them, at the sizes at which each form does something of its own.
CASES = {
    "few channels": Case(inner=5, outer=3, side=9),
    "small grid": Case(inner=40, outer=36, side=4),
    "smallest grid": Case(inner=48, outer=64, side=3),
    "large grid": Case(inner=17, outer=16, side=12),
    "strided": Case(inner=16, outer=24, side=13, kernel=4, stride=2, padding=2, bias=False),
    "strided, small": Case(inner=64, outer=64, side=6, kernel=4, stride=2, padding=1, bias=False),
    "4x4": Case(inner=32, outer=64, side=4, kernel=4, padding=2),
    "one score": Case(inner=64, outer=1, side=5, kernel=4, padding=2),
    "1x1": Case(inner=64, outer=48, side=3, kernel=1, padding=0, bias=False),
    "dilated": Case(inner=64, outer=64, side=3, dilation=2, padding=2),
    "groups": Case(inner=64, outer=64, side=4, groups=4),
    "no tiles": Case(inner=16, outer=16, side=4, tiles=0),
}


def derivatives(
    case: Case, kind: type[nn.Conv2d], form: convolutions.Form, *, penalty: bool = False
) -> list[torch.Tensor]:
    """Output, gradients, and, of a penalty on the gradient of the tiles, those as well."""
    layer, x = case.layer(kind), case.shown().requires_grad_()
    with computed_as(form):
        y = layer(x)
        wanted = [x, *layer.parameters()]
        found = [y, *torch.autograd.grad(y.sin().sum(), wanted, retain_graph=True)]
        if penalty:
            (dx,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
            found += torch.autograd.grad(dx.square().sum(), [x, layer.weight])
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_gradients_and_their_gradients_are_those_of_pytorch(
    name: str, form: convolutions.Form
) -> None:
    case = CASES[name]
    ours = derivatives(case, Convolution, form, penalty=case.tiles > 0)
    theirs = derivatives(case, nn.Conv2d, "plain", penalty=case.tiles > 0)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["small_grids", "contiguous"])
@pytest.mark.parametrize(
    "case",
    [Case(inner=8, outer=8, side=2, tiles=1), Case(inner=16, outer=16, side=5, tiles=1, kernel=2)],
)
def test_derivatives_are_those_of_differences(case: Case, form: convolutions.Form) -> None:
    layer, x = case.layer(Convolution), case.shown().requires_grad_()

    def function(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return layer._conv_forward(x, weight, bias)

    given = (x, *(each.detach().requires_grad_() for each in (layer.weight, layer.bias)))
    with computed_as(form):
        assert gradcheck(function, given, fast_mode=True)
        assert gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("name", CASES)
def test_each_form_computes_as_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[str | None] = []
    told = convolutions._way
    monkeypatch.setattr(convolutions, "_way", lambda *given: ways.append(told(*given)) or ways[-1])
    for form in FORMS:
        derivatives(CASES[name], Convolution, form)
    few = {"few channels", "one score", "no tiles"}
    products = {"smallest grid", "strided, small", "1x1", "dilated"}
    product = "product" if name in products else None
    copies = None if name in {*few, "small grid", "4x4"} else "copies"
    assert ways == [None, product, product or copies]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["smallest grid", "large grid"])
def test_types_under_autocast_are_those_of_pytorch(name: str, form: convolutions.Form) -> None:
    case = CASES[name]
    found = []
    for kind, each in ((Convolution, form), (nn.Conv2d, "plain")):
        layer, x = case.layer(kind).float(), case.shown().float().requires_grad_()
        with computed_as(each):
            with torch.autocast("cpu", torch.bfloat16):
                y = layer(x)
            y.float().square().sum().backward()
        assert layer.bias is not None
        found.append([y, x.grad, layer.weight.grad, layer.bias.grad])
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None and theirs is not None
        assert ours.dtype == theirs.dtype
        error = (ours - theirs).float().norm() / theirs.float().norm()
        assert error < 0.01


def test_only_what_is_wanted_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient of the tiles alone costs no weight gradient."""
    case = CASES["smallest grid"]
    products: list[None] = []
    kept = convolutions._product
    monkeypatch.setattr(
        convolutions, "_product", lambda *a, **b: products.append(None) or kept(*a, **b)
    )
    layer, x = case.layer(Convolution), case.shown().requires_grad_()
    with computed_as("contiguous"):
        torch.autograd.grad(layer(x).sum(), x)
        assert not products
        torch.autograd.grad(layer(x).sum(), layer.weight)
    assert len(products) == 1


def test_outside_everything_is_as_pytorch_has_it() -> None:
    """Bit by bit, also after other forms were computed."""
    case = CASES["large grid"]
    before = derivatives(case, nn.Conv2d, "plain", penalty=True)
    derivatives(case, Convolution, "contiguous")
    x = case.shown().requires_grad_()
    layer = case.layer(Convolution)
    y = layer(x)
    after = torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(before[1:], after, strict=False))


def test_transposed_convolutions_and_those_of_one_dimension_are_left_alone() -> None:
    for function, shape, weight_shape in (
        (functional.conv_transpose2d, (1, 64, 3, 3), (64, 64, 3, 3)),
        (functional.conv1d, (1, 64, 5), (64, 64, 3)),
    ):
        x = torch.ones(shape, dtype=torch.float64)
        weight = torch.ones(weight_shape, dtype=torch.float64, requires_grad=True)
        expected = torch.autograd.grad(function(x, weight).square().sum(), weight)
        with computed_as("contiguous"):
            found = torch.autograd.grad(function(x, weight).square().sum(), weight)
        assert torch.equal(found[0], expected[0])


def test_copies_of_a_few_tiles_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(inner=16, outer=20, side=6, tiles=5)
    whole = derivatives(case, Convolution, "contiguous")
    for most in (1, 16 * 6 * 6 * 3):
        monkeypatch.setattr(convolutions, "_MOST_VALUES", most)
        parts = derivatives(case, Convolution, "contiguous")
        torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


def test_the_networks_have_no_other_convolutions() -> None:
    networks = [
        Generator(GeneratorConfig(base_channels=2, max_multiplier=2), 3),
        MultiscaleDiscriminator(DiscriminatorConfig(base_channels=2), 3),
        UnetDiscriminator(DiscriminatorConfig(kind="unet", base_channels=2), 3),
    ]
    found = [each for network in networks for each in network.modules()]
    plain = [each for each in found if isinstance(each, nn.Conv2d)]
    assert plain and all(isinstance(each, Convolution) for each in plain)
