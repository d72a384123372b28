"""Collectives on real gloo ranks: values, gradients and gradients of gradients."""

import time

import pytest
import torch
from ranks import run_ranks

from hpc import collectives
from hpc.collectives import (
    broadcast_object,
    gather_objects,
    mean_over_ranks,
    stack_over_ranks,
    sum_over_ranks,
)
from hpc.errors import DatasetError, HistosynError

WORLD_SIZES = (2, 3)


def inputs(world_size):
    """What the ranks start with, (ranks, 2, 3) float64."""
    numbers = torch.arange(world_size * 6, dtype=torch.float64)
    return (0.7 * numbers).sin().reshape(world_size, 2, 3)


def loss_of(rank, total, parts):
    """A rank's loss from the sum over ranks and the stack; different on each, curved in both."""
    return ((rank + 1) * total.exp()).mean() + (parts[(rank + 1) % len(parts)] ** 3).sum()


def work():
    """What one rank of the group sees and computes."""
    rank, world_size = collectives.rank(), collectives.world_size()
    mine = inputs(world_size)[rank].requires_grad_()
    total, parts = sum_over_ranks(mine.sin()), stack_over_ranks(mine.cos())
    (gradient,) = torch.autograd.grad(loss_of(rank, total, parts), mine, create_graph=True)
    (second,) = torch.autograd.grad((gradient**2).sum(), mine)
    whole = torch.full((3,), rank + 1)
    collectives.barrier()
    return {
        "place": (rank, world_size),
        "total": total.detach(),
        "parts": parts.detach(),
        "mean": mean_over_ranks(mine).detach(),
        "gradient": gradient.detach(),
        "second": second,
        "whole": sum_over_ranks(whole),
        "unchanged": whole,
        "transposed": (sum_over_ranks(mine.T).detach(), stack_over_ranks(mine.T).detach()),
        "scalars": stack_over_ranks(torch.tensor(float(rank))),
        "objects": gather_objects({"rank": rank, "list": [None] * rank}),
        "broadcast": broadcast_object(f"from rank {rank}"),
    }


@pytest.fixture(scope="module", params=WORLD_SIZES)
def ranks(request):
    """What each rank of a group returns."""
    return run_ranks(request.param, work)


@pytest.fixture
def alone(ranks):
    """The same mathematics in one process: (inputs, sum, stack, gradient, second gradient)."""
    everything = inputs(len(ranks)).requires_grad_()
    total, parts = everything.sin().sum(dim=0), everything.cos()
    # Each rank's loss depends on all inputs, and each input's gradient is that of all losses.
    loss = sum(loss_of(rank, total, parts) for rank in range(len(ranks)))
    (gradient,) = torch.autograd.grad(loss, everything, create_graph=True)
    (second,) = torch.autograd.grad((gradient**2).sum(), everything)
    return everything.detach(), total.detach(), parts.detach(), gradient.detach(), second


def test_ranks_know_their_place(ranks):
    assert [seen["place"] for seen in ranks] == [(rank, len(ranks)) for rank in range(len(ranks))]


def test_sum_mean_and_stack(ranks, alone):
    everything, total, parts, *_ = alone
    for seen in ranks:
        torch.testing.assert_close(seen["total"], total)
        torch.testing.assert_close(seen["mean"], everything.mean(dim=0))
        torch.testing.assert_close(seen["parts"], parts, rtol=0, atol=0)


def test_gradients(ranks, alone):
    *_, gradient, _ = alone
    torch.testing.assert_close(torch.stack([seen["gradient"] for seen in ranks]), gradient)


def test_second_derivatives(ranks, alone):
    second = alone[-1]
    torch.testing.assert_close(torch.stack([seen["second"] for seen in ranks]), second)


def test_whole_numbers_are_summed_and_inputs_stay(ranks):
    expected = len(ranks) * (len(ranks) + 1) // 2
    for rank, seen in enumerate(ranks):
        assert seen["whole"].tolist() == [expected] * 3
        assert seen["whole"].dtype == torch.int64
        assert seen["unchanged"].tolist() == [rank + 1] * 3


def test_memory_layout_does_not_matter(ranks, alone):
    everything = alone[0]
    for seen in ranks:
        total, parts = seen["transposed"]
        torch.testing.assert_close(total, everything.sum(dim=0).T)
        torch.testing.assert_close(parts, everything.transpose(1, 2), rtol=0, atol=0)


def test_scalars_stack(ranks):
    for seen in ranks:
        assert seen["scalars"].tolist() == list(range(len(ranks)))


def test_objects_come_in_the_order_of_ranks(ranks):
    expected = [{"rank": rank, "list": [None] * rank} for rank in range(len(ranks))]
    assert all(seen["objects"] == expected for seen in ranks)


def test_rank_0_is_heard_by_all(ranks):
    assert all(seen["broadcast"] == "from rank 0" for seen in ranks)


def test_one_process_alone_is_all_ranks():
    tensor = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    assert (collectives.rank(), collectives.world_size()) == (0, 1)
    assert sum_over_ranks(tensor) is tensor
    assert torch.equal(mean_over_ranks(tensor), tensor)
    assert torch.equal(stack_over_ranks(tensor), tensor[None])
    assert gather_objects("fact") == ["fact"]
    assert broadcast_object("fact") == "fact"
    collectives.barrier()


def work_together():
    """Results, a user's error of one rank, and one that nobody foresaw, as every rank sees them."""

    def fail_on_second(error):
        def fail():
            if collectives.rank() == 1:
                raise error
            return "fine"

        return fail

    results = [collectives.run_on_every_rank(lambda: collectives.rank() ** 2)]
    for error in (DatasetError("no tiles"), KeyError("surprise")):
        try:
            collectives.run_on_every_rank(fail_on_second(error))
        except HistosynError as raised:
            results.append((type(raised).__name__, str(raised)))
    try:
        collectives.run_on_rank_0(fail_on_second(None) if collectives.rank() else _refuse)
    except DatasetError as raised:
        results.append(str(raised))
    return results


def _refuse():
    raise DatasetError("refused")


def test_what_is_done_together_fails_together():
    expected = [[0, 1], ("DatasetError", "no tiles"),
                ("HistosynError", "rank 1: KeyError: 'surprise'"), "refused"]  # fmt: skip
    assert run_ranks(2, work_together) == [expected, expected]


def test_slow_work_outlasts_the_meetings():
    assert run_ranks(2, slow_work) == [["quick", "slow"]] * 2


def slow_work():
    collectives._MEETING_SECONDS = 0.1
    if collectives.rank() == 0:
        return collectives.run_on_every_rank(lambda: "quick")
    return collectives.run_on_every_rank(lambda: time.sleep(1) or "slow")
