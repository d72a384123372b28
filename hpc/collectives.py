"""Collectives over all ranks. At world size 1, without a process group, each is the identity.

The two differentiable ones call themselves in their backward pass, so they can be differentiated
as often as wanted; a gradient is the sum over ranks of what each rank's loss contributes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar, cast

import torch
from torch import distributed

from hpc.errors import HistosynError

logger = logging.getLogger("histosyn")

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


def run_on_rank_0(decide: Callable[[], Value]) -> Value:
    """What `decide()` returns on rank 0, on every rank; an error there is raised on every rank."""
    return cast(Value, run_on_every_rank(decide if rank() == 0 else lambda: None)[0])


def run_on_every_rank(work: Callable[[], Value]) -> list[Value]:
    """Do `work()` on every rank, each on its own; all ranks' results, in the order of ranks.

    If it fails anywhere, the error of the lowest rank is raised on every rank. However long it
    takes, no collective times out: the ranks that are done repeat a short one until all are.
    """
    if world_size() == 1:
        return [work()]
    done: list[_Done] = []
    # A daemon, so that an interrupted process need not wait for it.
    thread = Thread(target=lambda: done.append(_outcome(work)), daemon=True)
    thread.start()
    states: list[_Done | None] = [None]
    while not all(states):
        thread.join(_MEETING_SECONDS)
        states = gather_objects(done[0] if done else None)
    # It has done its work, and is not to drop what it holds when Python may be shutting down.
    thread.join()
    outcomes = [cast(_Done, state) for state in states]
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.value for outcome in outcomes]


def barrier() -> None:
    """Wait until every rank is here."""
    if world_size() > 1:
        distributed.barrier()


class DelayedMaximum:
    """An asynchronous all-reduce (maximum) of an integer, overlapped with the step.

    A call starts the all-reduce of this rank's value and returns the result of the previous call; 0
    at first. Every rank makes the same calls, and `wait` after the last one.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # A stream of its own: to read a result there does not wait for the step's computations.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._pending: tuple[torch.Tensor, distributed.Work] | None = None
        self._largest = 0

    def __call__(self, value: int) -> int:
        """Start the all-reduce of `value`; the result of the previous one."""
        if world_size() == 1:
            return value
        self.wait()
        with self._beside():
            sent = torch.full((1,), value, dtype=torch.int64, device=self._device)
            work = distributed.all_reduce(sent, distributed.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._pending = sent, work
        return self._largest

    def wait(self) -> None:
        """Wait for the pending all-reduce."""
        if self._pending is not None:
            sent, work = self._pending
            with self._beside():
                work.wait()
                self._largest = int(sent.item())
            self._pending = None

    def _beside(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)


@dataclass(frozen=True)
class _Done:
    """How a rank's work ended."""

    value: Any = None
    error: Exception | None = None


def _outcome(work: Callable[[], Any]) -> _Done:
    try:
        return _Done(value=work())
    except (HistosynError, OSError) as error:
        return _Done(error=error)
    except Exception as error:
        # Nobody foresaw it, so it may not travel: the others learn its text, and none waits.
        logger.exception("Rank %d failed", rank())
        return _Done(error=HistosynError(f"rank {rank()}: {type(error).__name__}: {error}"))


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
