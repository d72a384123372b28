"""Work on a device that is recorded once and done again without the host's part in it.

What is recorded are operations and where in memory their operands lie: sizes, choices and numbers
of the host are those of the recording, for ever. So work that is recorded must not wait for the
device, nor copy from the host; what differs from time to time lies in tensors that stay in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import torch

Result = TypeVar("Result")


class Recorder(Protocol):
    """Records work on a device."""

    def warming_up(self) -> AbstractContextManager[None]:
        """Where work is to be done a few times before it is recorded."""

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Record work without doing it: where its result will lie, and what does it."""


class CudaGraphs:
    """CUDA graphs: a graph of kernels is started at once, not kernel by kernel."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """On the stream of the recording: autograd goes back on the streams that it came by."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """As `Recorder.record`; the memory that it takes is kept for it alone."""
        graph = torch.cuda.CUDAGraph()
        # Other threads, such as the one that puts batches into page-locked memory, may go on.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            result = work()
        return result, graph.replay
