"""Ways of doing the same work, each in a process of its own, that take turns.

CPU seconds of a process, so that other work on the machine counts little; its own memory, at its
peak. On a GPU seconds of waiting, and the memory that PyTorch allocated. What is multiplied in
matrix products and convolutions is counted in a turn of its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# Given what a way is called, what to do again and again.
Make = Callable[..., Callable[[], Any]]
_MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    seconds: float
    peak_mib: float
    # Multiplications and additions.
    operations: int


def take_turns(
    make: Make, ways: Mapping[str, tuple[Any, ...]], device: str, rounds: int
) -> dict[str, Cost]:
    """Median seconds, and peak memory beyond what was there before the first time, of each way.

    `make(*arguments, device)` gives the work; the first round warms up.
    """
    context = multiprocessing.get_context("spawn")
    workers = {}
    for way, arguments in ways.items():
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, make, arguments, device), daemon=True)
        process.start()
        workers[way] = (process, here)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, (_, connection) in workers.items():
            connection.send("again")
            seconds[way].append(connection.recv())
    costs = {}
    for way, (process, connection) in workers.items():
        connection.send("end")
        peak_mib, operations = connection.recv()
        costs[way] = Cost(statistics.median(seconds[way][1:]), peak_mib, operations)
        process.join()
    return costs


def _serve(connection: Connection, make: Make, arguments: tuple[Any, ...], device: str) -> None:
    import torch

    work = make(*arguments, torch.device(device))
    on_gpu = device == "cuda"
    before = torch.cuda.memory_allocated() if on_gpu else _peak_bytes()
    while connection.recv() == "again":
        started = _now(on_gpu)
        work()
        connection.send(_now(on_gpu) - started)
    peak = torch.cuda.max_memory_allocated() if on_gpu else _peak_bytes()
    connection.send(((peak - before) / _MIB, operations_of(work)))


def operations_of(work: Callable[[], Any]) -> int:
    """Multiplications and additions in matrix products and convolutions of doing it once."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    def product(rows: torch.Tensor, weight: torch.Tensor, *others: Any, **named: Any) -> int:
        return 2 * rows.numel() * len(weight)

    # oneDNN's product is not in the registry. FlopCounterMode itself follows modules, which cannot
    # be done in torch.autograd.grad.
    formulas = {**flop_registry, torch.ops.mkldnn._linear_pointwise: product}

    class Counter(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            with self:
                # Without autograd, convolutions come as they were called.
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            result = func(*args, **kwargs)
            if func.overloadpacket in formulas:
                self.total += formulas[func.overloadpacket](*args, **kwargs, out_val=result)
            return result

    with Counter() as counter:
        work()
    return counter.total


def _now(on_gpu: bool) -> float:
    if not on_gpu:
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
