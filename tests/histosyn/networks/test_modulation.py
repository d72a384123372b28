"""Modulation computed for distinct label neighbourhoods, against the plain form."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ranks import run_ranks
from torch import nn
from torch.nn import functional

from histosyn.networks import bags, batch_moments, modulation, pixel_blocks
from histosyn.networks.batch_moments import measure
from histosyn.networks.levels import LabelPyramid, Level
from histosyn.networks.modulation import ClassTable, Modulation, Spade
from histosyn.networks.patterns import IGNORED, find_patterns, one_hot
from hpc.collectives import rank

CHANNELS, HIDDEN, SLOPE = 3, 4, 0.2


class FastSpade(Spade):
    """Computes γ and β for distinct neighbourhoods however few repeat."""

    def repeats_enough(self, shares: object) -> bool:
        return True


class DenseSpade(Spade):
    def repeats_enough(self, shares: object) -> bool:
        return False


def plain(
    spade: Spade, x: torch.Tensor, labels: torch.Tensor, classes: int, *, training: bool = True
) -> torch.Tensor:
    """Park et al. 2019, eq. 1, with dense convolutions and PyTorch's normalization."""
    if x.shape[2:] != labels.shape[1:]:
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
    segments = one_hot(labels, classes, x.dtype)
    gamma, beta = spade.gamma_beta(functional.relu(spade.embed(segments))).chunk(2, dim=1)
    norm = spade.normalize
    normalized = functional.batch_norm(x, norm.running_mean, norm.running_var, training=training)
    return functional.leaky_relu(normalized * (1 + gamma) + beta, SLOPE)


def level_of(labels: torch.Tensor, classes: int) -> Level:
    return LabelPyramid(labels, 1, classes).levels[0]


@st.composite
def label_maps(draw: st.DrawFn) -> tuple[torch.Tensor, int]:
    """Noise or blocks of any size, of few or very many classes, some pixels of no class."""
    classes = draw(st.sampled_from([1, 2, 5, 254]))
    batch, height, width = draw(st.tuples(*[st.integers(1, top) for top in (2, 13, 13)]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    block = draw(st.sampled_from([1, 3, 6, 20]))
    cells = [-(-side // block) for side in (height, width)]
    labels = torch.randint(0, classes, (batch, *cells), generator=random)
    labels = labels.repeat_interleave(block, 1).repeat_interleave(block, 2)
    labels = labels[:, :height, :width].clone()
    if draw(st.booleans()):
        labels[torch.rand(labels.shape, generator=random) < 0.1] = IGNORED
    return labels, classes


def results(y: torch.Tensor, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    probe = torch.cos(torch.arange(y.numel(), dtype=y.dtype)).view(y.shape)
    return [y.detach(), *torch.autograd.grad((y * probe).sum(), inputs)]


@contextmanager
def in_small_pieces() -> Iterator[None]:
    """As if these maps were large: features, tables, bags and sums go through piece by piece."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_blocks, "_PIECE", 24)
        patch.setattr(bags, "_PIECE", 8)
        patch.setattr(batch_moments, "_BLOCK", 40)
        patch.setattr(modulation, "_MOST_VALUES", 200)
        yield


@pytest.mark.parametrize("kind", [FastSpade, DenseSpade])
@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("pieces", [nullcontext, in_small_pieces])
@settings(max_examples=25, deadline=None)
@given(maps=label_maps())
def test_equals_the_plain_form(
    kind: type[Spade],
    doubled: bool,
    pieces: Callable[[], AbstractContextManager[None]],
    maps: tuple[torch.Tensor, int],
) -> None:
    """Outputs, gradients and running statistics, to 1e-12."""
    with pieces():
        compare_with_the_plain_form(kind, doubled, *maps)


def compare_with_the_plain_form(
    kind: type[Spade], doubled: bool, labels: torch.Tensor, classes: int
) -> None:
    if doubled:
        labels = labels.repeat_interleave(2, 1)
        labels = torch.cat([labels, labels.flip(2)], dim=2)
    torch.manual_seed(0)
    spade = kind(CHANNELS, classes, HIDDEN).double()
    reference = copy.deepcopy(spade)
    batch, height, width = labels.shape
    factor = 2 if doubled else 1
    x = torch.randn(batch, CHANNELS, height // factor, width // factor, dtype=torch.float64)
    x.requires_grad_()
    if batch * height * width > 1:
        y = spade(x, level_of(labels, classes), measure(x), SLOPE)
        expected = plain(reference, x, labels, classes)
        ours = results(y, [x, *spade.parameters()])
        theirs = results(expected, [x, *reference.parameters()])
        for found, wanted in zip(ours, theirs, strict=True):
            assert (found - wanted).abs().max() <= 1e-12 * max(1, wanted.abs().max())
        torch.testing.assert_close(spade.normalize.running_var, reference.normalize.running_var)
    found = spade.eval()(x, level_of(labels, classes), None, SLOPE)
    wanted = plain(spade, x, labels, classes, training=False)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(maps=label_maps())
def test_patterns_are_the_distinct_neighbourhoods(maps: tuple[torch.Tensor, int]) -> None:
    labels, classes = maps
    padded = functional.pad(labels, (2, 2, 2, 2), value=-1)
    windows = padded.unfold(1, 5, 1).unfold(2, 5, 1).flatten(3).flatten(0, 2)
    distinct, inverse = torch.unique(windows, dim=0, return_inverse=True)
    patterns = find_patterns(labels, classes)
    assert len(patterns.taps) == len(distinct)
    pairs = torch.stack([inverse, patterns.pixels.index_M], dim=1)
    assert len(torch.unique(pairs, dim=0)) == len(distinct)
    middles = torch.unique(windows.view(-1, 5, 5)[:, 1:4, 1:4].flatten(1), dim=0)
    assert len(patterns.parts) == len(middles)


def test_tables_of_like_maps_have_the_same_size() -> None:
    """Else each batch would make oneDNN prepare, and keep, products of new sizes."""
    random = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 2, (30, 1, 32, 32), generator=random)
    found = [find_patterns(labels, 2) for labels in maps]
    neighbourhoods = [len(patterns.parts) + 1 for patterns in found]
    assert len(set(neighbourhoods)) > 10
    assert len({patterns.rows for patterns in found}) <= 2
    for count, patterns in zip(neighbourhoods, found, strict=True):
        assert count <= patterns.rows <= count * 9 / 8


@pytest.mark.parametrize("kind", [FastSpade, DenseSpade])
@pytest.mark.parametrize("factor", [1, 2])
def test_second_derivatives(kind: type[Spade], factor: int) -> None:
    torch.manual_seed(0)
    spade = kind(CHANNELS, 3, HIDDEN).double()
    reference = copy.deepcopy(spade)
    labels = torch.randint(0, 3, (2, 6, 8))
    x = torch.randn(2, CHANNELS, 6 // factor, 8 // factor, dtype=torch.float64).requires_grad_()

    def second(y: torch.Tensor, module: nn.Module) -> tuple[torch.Tensor, ...]:
        inputs = [x, *module.parameters()]
        first = torch.autograd.grad(y.sin().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(part.square().sum() for part in first), inputs)

    ours = second(spade(x, level_of(labels, 3), measure(x), SLOPE), spade)
    torch.testing.assert_close(ours, second(plain(reference, x, labels, 3), reference))


def test_class_table_gives_each_class_its_scale_and_shift() -> None:
    torch.manual_seed(0)
    table = ClassTable(2, 3).double()
    nn.init.normal_(table.gamma_beta)
    labels = torch.tensor([[[0, 1], [2, IGNORED]]])
    x = torch.randn(1, 2, 2, 2, dtype=torch.float64)
    y = table(x, level_of(labels, 3), measure(x))
    normalized = functional.batch_norm(x, None, None, training=True)
    gamma, beta = functional.pad(table.gamma_beta, (0, 0, 0, 1))[[0, 1, 2, 3]].chunk(2, dim=1)
    expected = normalized.flatten(2) * (1 + gamma.T) + beta.T
    torch.testing.assert_close(y.flatten(2), expected)


def test_what_repeats_decides() -> None:
    spade = Spade(CHANNELS, 4, 128)
    noise = torch.randint(0, 4, (1, 32, 32), generator=torch.Generator().manual_seed(0))
    assert not spade.repeats_enough(find_patterns(noise, 4).shares)
    assert spade.repeats_enough(find_patterns(torch.zeros(1, 32, 32, dtype=torch.long), 4).shares)


@pytest.mark.parametrize(
    ("classes", "maps", "twice", "hidden", "in_float32"),
    [
        # 0.15 of the 3x3 neighbourhoods are distinct and all 5x5 ones: half precision adds slowly.
        (2, 5, 0, 56, True),
        # 0.7 of either, for many channels: float32 multiplies slowly.
        (9, 7, 3, 512, False),
    ],
)
def test_precision_decides_where_the_costs_are_close(
    classes: int, maps: int, twice: int, hidden: int, in_float32: bool
) -> None:
    random = torch.Generator().manual_seed(0)
    noise = torch.randint(0, classes, (maps, 32, 32), generator=random)
    shares = find_patterns(torch.cat([noise, noise[:twice]]), classes).shares
    spade = Spade(CHANNELS, classes, hidden)
    assert spade.repeats_enough(shares) == in_float32
    with torch.autocast("cpu", torch.bfloat16):
        assert spade.repeats_enough(shares) != in_float32
    assert spade.double().repeats_enough(shares) == in_float32
    assert spade.bfloat16().repeats_enough(shares) != in_float32


@pytest.mark.parametrize("mean", [100.0, 1e3])
def test_large_means_cost_no_digits_in_float32(mean: float) -> None:
    """Merged from many parts, as those of large features are."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, CHANNELS, 31, 17, generator=random) * 0.1 + mean
    with in_small_pieces():
        found = measure(x)
    wide = x.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(found.mean_C.double(), wide.mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        found.variance_C.double(), wide.var(1, correction=0), rtol=2e-3, atol=0
    )


def on_one_rank(sizes: list[int]) -> list[torch.Tensor]:
    spade, x, labels = case(sum(sizes))
    first = sum(sizes[: rank()])
    part = slice(first, first + sizes[rank()])
    x = x[part].detach().requires_grad_()
    y = spade(x, level_of(labels[part], 3), measure(x), SLOPE)
    weights = list(spade.parameters())
    gradients = torch.autograd.grad((y.sin() * y).sum(), [x, *weights])
    return [y.detach(), *gradients, spade.normalize.running_var]


def case(count: int) -> tuple[Modulation, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    spade = FastSpade(CHANNELS, 3, HIDDEN).double()
    labels = torch.randint(0, 3, (count, 3, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
    x = torch.randn(count, CHANNELS, 6, 8, dtype=torch.float64, requires_grad=True)
    return spade, x, labels


@pytest.mark.parametrize("sizes", [[1, 2], [2, 0, 1]])
def test_ranks_give_what_one_process_gives(sizes: list[int]) -> None:
    """Features and their gradients rank by rank, weights' gradients in sum, also of no tiles."""
    spade, x, labels = case(sum(sizes))
    y = plain(spade, x, labels, 3)
    expected = torch.autograd.grad((y.sin() * y).sum(), [x, *spade.parameters()])
    ranks = run_ranks(len(sizes), on_one_rank, sizes)
    for index, wanted in enumerate([y, expected[0]]):
        torch.testing.assert_close(torch.cat([found[index] for found in ranks]), wanted)
    for index, wanted in enumerate(expected[1:], start=2):
        torch.testing.assert_close(sum(found[index] for found in ranks), wanted)
    for found in ranks:
        torch.testing.assert_close(found[-1], spade.normalize.running_var)


def test_mixed_precision_keeps_statistics_in_float32() -> None:
    torch.manual_seed(0)
    spade = FastSpade(16, 3, 16)
    labels = torch.randint(0, 3, (1, 8, 8)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    x = torch.randn(1, 16, 32, 32) + 3
    expected = plain(copy.deepcopy(spade), x, labels, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = spade(x.bfloat16(), level_of(labels, 3), measure(x.bfloat16()), SLOPE)
    assert y.dtype == torch.bfloat16
    assert spade.normalize.running_mean.dtype == torch.float32
    assert (y.float() - expected).abs().max() < 0.1
