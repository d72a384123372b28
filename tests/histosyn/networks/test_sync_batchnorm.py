"""SyncBatchNorm2d over real gloo processes against nn.BatchNorm2d on the whole batch."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from ranks import run_ranks
from torch import nn

from histosyn.networks.batch_moments import measure as moments_of
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d, kept_together
from hpc.collectives import rank

CHANNELS = 5
CASES = {
    "two ranks": [2, 2],
    "two ranks, unequal": [1, 3],
    "three ranks": [2, 2, 2],
    "three ranks, unequal": [1, 4, 2],
    "three ranks, one empty": [2, 0, 3],
}


def whole_batch(count: int, mean: float, std: float, dtype: torch.dtype) -> torch.Tensor:
    random = torch.Generator().manual_seed(count)
    return torch.randn(count, CHANNELS, 6, 7, generator=random, dtype=dtype) * std + mean


def objective(y: torch.Tensor, probe: torch.Tensor) -> torch.Tensor:
    """A function of the output whose gradient and second derivative depend on every value."""
    return (torch.sin(y) * probe).sum()


def measure(
    norm: nn.Module, x: torch.Tensor, probe: torch.Tensor, *, twice: bool
) -> dict[str, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = norm(x)
    (gradient,) = torch.autograd.grad(objective(y, probe), x, create_graph=twice)
    results = {"y": y, "gradient": gradient}
    if twice:
        (results["second"],) = torch.autograd.grad((gradient.square() * probe).sum(), x)
    results |= {"mean": norm.running_mean, "var": norm.running_var}
    return {name: value.detach() for name, value in results.items()}


def on_one_rank(
    sizes: list[int], mean: float, std: float, dtype: torch.dtype, twice: bool
) -> dict[str, torch.Tensor]:
    first = sum(sizes[: rank()])
    part = slice(first, first + sizes[rank()])
    x = whole_batch(sum(sizes), mean, std, dtype)
    probe = whole_batch(sum(sizes), 0, 1, dtype)
    return measure(SyncBatchNorm2d(CHANNELS).to(dtype), x[part], probe[part], twice=twice)


def compare(
    sizes: list[int], mean: float, std: float, dtype: torch.dtype, twice: bool, tolerance: float
) -> None:
    x, probe = whole_batch(sum(sizes), mean, std, dtype), whole_batch(sum(sizes), 0, 1, dtype)
    # The reference is computed in float64 always: in float32 it would be off itself.
    reference = nn.BatchNorm2d(CHANNELS).double()
    expected = measure(reference, x.double(), probe.double(), twice=twice)
    ranks = run_ranks(len(sizes), on_one_rank, sizes, mean, std, dtype, twice)
    for name in ("y", "gradient", *(["second"] if twice else [])):
        joined = torch.cat([result[name] for result in ranks]).double()
        scale = expected[name].abs().max()
        assert (joined - expected[name]).abs().max() / scale < tolerance, name
    for result in ranks:
        for name in ("mean", "var"):
            torch.testing.assert_close(
                result[name].double(), expected[name], rtol=tolerance, atol=tolerance
            )


@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())
def test_equals_batch_norm_on_the_whole_batch(sizes: list[int]) -> None:
    compare(sizes, 0.5, 2.0, torch.float64, twice=True, tolerance=1e-11)


@pytest.mark.parametrize("mean, std", [(100.0, 0.1), (1e3, 0.1)])
def test_large_means_cost_no_digits_in_float32(mean: float, std: float) -> None:
    """At mean 1000 a float32 input itself is rounded by 3e-5, a few 1e-4 of its std."""
    compare([2, 3], mean, std, torch.float32, twice=False, tolerance=2e-3)


def collectives_on_one_rank() -> dict[str, int]:
    counts = {"all_gather": 0, "all_reduce": 0}
    for name in counts:
        real = getattr(torch.distributed, name)

        def counted(*args: object, name: str = name, real: object = real, **options: object):
            counts[name] += 1
            return real(*args, **options)

        setattr(torch.distributed, name, counted)
    x = whole_batch(4, 0.0, 1.0, torch.float32)[2 * rank() : 2 * rank() + 2].requires_grad_()
    norm = SyncBatchNorm2d(CHANNELS, affine=False)
    y = norm(x)
    forward = sum(counts.values())
    y.square().sum().backward()
    return {"forward": forward, "backward": sum(counts.values()) - forward}


def test_one_collective_forward_and_one_backward() -> None:
    assert run_ranks(2, collectives_on_one_rank) == [{"forward": 1, "backward": 1}] * 2


def affine_on_one_rank() -> dict[str, torch.Tensor]:
    norm = SyncBatchNorm2d(CHANNELS, momentum=None)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(CHANNELS) + 1.0)
        norm.bias.fill_(0.5)
    x = whole_batch(4, 1.0, 2.0, torch.float32)[2 * rank() : 2 * rank() + 2]
    norm(x)
    y = norm(x)
    norm.eval()
    return {"training": y.detach(), "eval": norm(x).detach(), "mean": norm.running_mean}


def test_affine_cumulative_average_and_eval() -> None:
    reference = nn.BatchNorm2d(CHANNELS, momentum=None)
    with torch.no_grad():
        reference.weight.copy_(torch.arange(CHANNELS) + 1.0)
        reference.bias.fill_(0.5)
    x = whole_batch(4, 1.0, 2.0, torch.float32)
    reference(x)
    expected = {"training": reference(x).detach(), "mean": reference.running_mean}
    expected["eval"] = reference.eval()(x).detach()
    ranks = run_ranks(2, affine_on_one_rank)
    for name in ("training", "eval"):
        torch.testing.assert_close(torch.cat([r[name] for r in ranks]), expected[name])
    torch.testing.assert_close(ranks[0]["mean"], expected["mean"])


def on_the_gpu(kind: str, sizes: list[int]) -> dict[str, torch.Tensor]:
    first = sum(sizes[: rank()])
    part = slice(first, first + sizes[rank()])
    norm: nn.Module = SyncBatchNorm2d(CHANNELS)
    if kind == "PyTorch's":
        norm = nn.SyncBatchNorm(CHANNELS)
    x, probe = (whole_batch(sum(sizes), mean, 2.0, torch.float32)[part] for mean in (0.5, 0.0))
    found = measure(norm.cuda(), x.cuda(), probe.cuda(), twice=False)
    return {name: value.cpu() for name, value in found.items()}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="nn.SyncBatchNorm needs a GPU")
@pytest.mark.parametrize("sizes", [[2, 2], [1, 3]])
def test_equals_pytorchs_on_a_gpu(sizes: list[int]) -> None:
    """Two ranks share the first GPU, as gloo lets them."""
    ours, theirs = (run_ranks(2, on_the_gpu, kind, sizes) for kind in ("ours", "PyTorch's"))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def bfloat16_on_one_rank() -> torch.Tensor:
    x = whole_batch(4, 3.0, 2.0, torch.float32)[2 * rank() : 2 * rank() + 2]
    norm = SyncBatchNorm2d(CHANNELS, affine=False)
    y = norm(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert norm.running_var.dtype == torch.float32
    return y.float()


def test_bfloat16_keeps_float32_statistics() -> None:
    joined = torch.cat(run_ranks(2, bfloat16_on_one_rank))
    expected = nn.BatchNorm2d(CHANNELS, affine=False)(whole_batch(4, 3.0, 2.0, torch.float32))
    assert (joined - expected).abs().max() < 0.03  # 2^-8 relative of values up to 4, twice rounded


def test_alone_it_is_batch_norm() -> None:
    x = whole_batch(3, 0.0, 1.0, torch.float32)
    assert torch.equal(SyncBatchNorm2d(CHANNELS)(x), nn.BatchNorm2d(CHANNELS)(x))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_kept_together_are_those_kept_one_by_one(momentum: float | None) -> None:
    x = whole_batch(3, 2.0, 0.5, torch.float64)
    found = []
    for together in (nullcontext, kept_together):
        norms = [SyncBatchNorm2d(x.shape[1], momentum=momentum).double() for _ in range(3)]
        norms[2].momentum = 0.3
        for _ in range(2):
            with together():
                for norm, times in zip(norms, (1, 4, 1), strict=True):
                    norm.statistics(moments_of(x), times)
                    norm.statistics(moments_of(x[:0]), times)
        found.append([norm.state_dict() for norm in norms])
    torch.testing.assert_close(*found)


def test_an_empty_batch_changes_nothing() -> None:
    norm = SyncBatchNorm2d(CHANNELS)
    norm(whole_batch(3, 1.0, 2.0, torch.float32))
    before = norm.running_mean.clone(), norm.running_var.clone()
    x = torch.zeros(0, CHANNELS, 4, 4, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad.shape == x.shape
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])
