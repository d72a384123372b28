"""Collectives over all ranks. At world size 1, without a process group, each is the identity.

The two differentiable ones call themselves in their backward pass, so they can be differentiated
as often as wanted; a gradient is the sum over ranks of what each rank's loss contributes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import distributed

from hpc.errors import HistosynError

Value = TypeVar("Value")

# Far below the time after which a collective gives up.
_MEETING_SECONDS = 60.0


def world_size() -> int:
    """Number of ranks."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """This process's rank."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def sum_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """Sum of a tensor of the same shape on all ranks; differentiable."""
    return tensor if world_size() == 1 else _SumOverRanks.apply(tensor)


def mean_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """Mean of a tensor of the same shape on all ranks; differentiable."""
    return sum_over_ranks(tensor) / world_size()


def stack_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """All ranks' tensors of the same shape, stacked as (ranks, ...); differentiable."""
    return tensor[None] if world_size() == 1 else _StackOverRanks.apply(tensor)


def gather_objects(value: Value) -> list[Value]:
    """All ranks' values, in the order of ranks, on every rank. For small picklable facts."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def broadcast_object(value: Value) -> Value:
    """Rank 0's value on every rank."""
    if world_size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def decided_by_first(decide: Callable[[], Value]) -> Value:
    """What `decide()` returns on rank 0, on every rank; an error there is raised on every rank."""
    return cast(Value, together(decide if rank() == 0 else lambda: None)[0])


def together(work: Callable[[], Value]) -> list[Value]:
    """Do `work()` on every rank, each on its own; all ranks' results, in the order of ranks.

    If it fails anywhere, the error of the lowest rank is raised on every rank. However long it
    takes, no collective times out: those that are done meet again and again with those that are
    not.
    """
    if world_size() == 1:
        return [work()]
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work)
        while True:
            wait([future], timeout=_MEETING_SECONDS)
            states = gather_objects(_state_of(future))
            if all(state is not None for state in states):
                break
    for state in states:
        assert state is not None
        if state.error is not None:
            raise state.error
    return [cast(Any, state).value for state in states]


def barrier() -> None:
    """Wait until every rank is here."""
    if world_size() > 1:
        distributed.barrier()


@dataclass(frozen=True)
class _Done:
    """How a rank's work ended."""

    value: Any = None
    error: HistosynError | OSError | None = None


def _state_of(future: Future[Any]) -> _Done | None:
    """None while it is under way; errors that are no user's concern are raised here and now."""
    if not future.done():
        return None
    try:
        return _Done(value=future.result())
    except (HistosynError, OSError) as error:
        return _Done(error=error)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return sum_over_ranks(gradient)


class _StackOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        stacked = tensor.new_empty((world_size(), *tensor.shape))
        distributed.all_gather(list(stacked.unbind()), tensor.contiguous())
        return stacked

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return sum_over_ranks(gradient)[rank()]
