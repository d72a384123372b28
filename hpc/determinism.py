"""Deterministic torch: results that do not depend on the number of threads or processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic_on_gpu() -> Iterator[None]:
    """Deterministic cuDNN algorithms, full float32 (no TF32), no benchmarking."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    """Sums in the same order every time: `deterministic_on_gpu`, and on a CPU a single thread.

    On a CPU the rounding depends on the number of threads, and torchrun sets another one than a
    process alone has. Threads that are started inside must set their own number, which torch keeps
    for each; the number before is that of this thread again at the end.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with deterministic_on_gpu():
            yield
    finally:
        torch.set_num_threads(threads)
