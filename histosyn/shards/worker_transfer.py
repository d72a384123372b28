"""Transfer of batches from loader workers: in shared memory, or through a pipe.

The loader would put them into shared memory by itself, in a thread of the worker; where there is no
room for a batch, it is lost there with a traceback, and training waits for it for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from histosyn.shards.batch import Batch
from hpc.log import logger
from hpc.shared_memory import REMEDY, shared_memory_text

_TENSORS = ("tiles_NCHW", "labels_NHW", "positions_N")


@dataclass(frozen=True, kw_only=True)
class Piped:
    """A batch whose arrays travel through a pipe."""

    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]
    numbers: np.ndarray | None

    @classmethod
    def of(cls, batch: Batch) -> Piped:
        """The same content."""
        values = dict(vars(batch))
        arrays = {name: values.pop(name).numpy() for name in _TENSORS}
        numbers = None
        if batch.tables is not None:
            numbers = batch.tables.numbers.numpy()
            values["tables"] = replace(batch.tables, numbers=torch.empty(0))
        return cls(arrays=arrays, rest=values, numbers=numbers)

    def batch(self) -> Batch:
        """As it was."""
        tensors = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        batch = Batch(**(tensors | self.rest))
        if batch.tables is None or self.numbers is None:
            return batch
        tables = replace(batch.tables, numbers=torch.from_numpy(self.numbers))
        return replace(batch, tables=tables)

    def pin_memory(self) -> PinnedAfterPipe:
        """For a GPU: see `Batch.pin_memory`."""
        return PinnedAfterPipe(batch=self.batch().pin_memory())


@dataclass(frozen=True, kw_only=True)
class PinnedAfterPipe:
    """A batch that came through a pipe, in page-locked memory."""

    batch: Batch


def send(batch: Batch) -> Batch | Piped:
    """What a worker returns: the batch in shared memory if there is room. Elsewhere as it is."""
    if get_worker_info() is None:
        return batch
    try:
        for name in _TENSORS:
            getattr(batch, name).share_memory_()
        if batch.tables is not None:
            batch.tables.numbers.share_memory_()
    except RuntimeError:
        return Piped.of(batch)
    return batch


class Receiver:
    """Takes what `send` made; warns once if shared memory was too small."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, sent: Batch | Piped | PinnedAfterPipe) -> Batch:
        """The batch."""
        if isinstance(sent, Batch):
            return sent
        if not self._warned:
            self._warned = True
            logger.warning(
                "A batch finds no room: %s. Loader workers send theirs through a pipe, which takes "
                "longer. %s.", shared_memory_text(), REMEDY,
            )  # fmt: skip
        return sent.batch() if isinstance(sent, Piped) else sent.batch
