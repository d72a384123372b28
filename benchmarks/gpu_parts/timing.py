"""Time, memory and arithmetic of work on a device.

On a GPU work is queued: an event before and one after each repetition say when the device came
there, without waiting in between; the host waits once, at the end. So a repetition is as long as
the device needs for it or, where the host cannot keep up, as the host needs to queue it.
"""

from __future__ import annotations

import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

_MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """Of one repetition, medians: seconds on the device, and seconds of the host to queue it.

    `peak_mib` is the most that was allocated, networks and all; 0 on a CPU.
    """

    seconds: float
    host_seconds: float
    peak_mib: float


def cost_of(
    work: Callable[[], object], device: torch.device, *, warm_up: int, repeats: int
) -> Cost:
    """What work costs, after it was done `warm_up` times."""
    on_gpu = device.type == "cuda"
    _forget(on_gpu)
    for _ in range(warm_up):
        work()
    _wait(on_gpu)
    if on_gpu:
        seconds, host = _on_gpu(work, repeats)
        peak = torch.cuda.max_memory_allocated()
    else:
        seconds = host = [_elapsed(work) for _ in range(repeats)]
        peak = 0
    return Cost(statistics.median(seconds), statistics.median(host), peak / _MIB)


def matmul_rate(device: torch.device, precision: str, side: int) -> float:
    """Multiplications and additions a second of a square product, on random numbers."""
    with arithmetic(precision):
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        left, right = torch.randn(2, side, side, device=device).to(dtype)
        out = torch.empty_like(left)
        cost = cost_of(lambda: torch.mm(left, right, out=out), device, warm_up=3, repeats=10)
    return 2 * side**3 / cost.seconds


@contextmanager
def arithmetic(precision: str, *, by_speed: bool = False) -> Iterator[None]:
    """Deterministic algorithms, as in a run, and TensorFloat-32 if `precision` is "tf32".

    `by_speed`: whichever algorithm cuDNN finds fastest instead.
    """
    tf32 = precision == "tf32"
    with warnings.catch_warnings():
        # Of newer names for the same switches.
        warnings.simplefilter("ignore")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            with torch.backends.cudnn.flags(
                enabled=True, benchmark=by_speed, deterministic=not by_speed, allow_tf32=tf32
            ):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = False


def _on_gpu(work: Callable[[], object], repeats: int) -> tuple[list[float], list[float]]:
    marks, host = [], []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        started = time.perf_counter()
        start.record()
        work()
        end.record()
        host.append(time.perf_counter() - started)
        marks.append((start, end))
    torch.cuda.synchronize()
    return [start.elapsed_time(end) / 1000 for start, end in marks], host


def _forget(on_gpu: bool) -> None:
    """What others left behind is not to count."""
    if on_gpu:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _wait(on_gpu: bool) -> None:
    if on_gpu:
        torch.cuda.synchronize()


def _elapsed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
