"""Copies from the host to a device that nobody waits for, beside what the device computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on a device; the host goes on at once.

    From ordinary memory a host would wait for all that the device has been given to do.
    """
    if device.type == "cpu" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class CopyStream:
    """Copies of batches, beside the computations of the step before; in their order elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Copies that are started here do not wait for computations that were started before."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def arrived(self, tensors: Iterable[torch.Tensor]) -> None:
        """From here on computations use these copies, and wait for them."""
        if self._stream is None:
            return
        current = torch.cuda.current_stream(self._stream.device)
        current.wait_stream(self._stream)
        for tensor in tensors:
            # Else its memory could be given away while it is still read.
            tensor.record_stream(current)
