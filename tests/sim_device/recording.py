"""CUDA graphs of the simulated device: what is recorded are operations and where their numbers lie.

To do them again calls no line of the code that was recorded. As a GPU does, it refuses what makes
the host wait or copies from it. What cannot be seen here: streams, and memory that is used twice.
"""

from contextlib import nullcontext

import torch
from torch.utils._pytree import tree_leaves

from sim_device.tally import starts_kernel


class RecordingError(RuntimeError):
    """What a GPU refuses, too."""


class Tape:
    """Operations in their order, on the tensors of the CPU that stand for those of the device."""

    def __init__(self):
        self._calls = []
        self._changed = []

    def refuse(self, why):
        raise RecordingError(f"while work is recorded: {why}")

    def run(self, func, args, kwargs):
        """Do an operation for the first time, as long as the recording lasts."""
        self._changed += [(each, each.clone()) for each in _written(func, args, kwargs)]
        result = func(*args, **kwargs)
        if starts_kernel(func):
            self._calls.append((func, args, kwargs, result))
        return result

    def undo(self):
        """A recording changes nothing."""
        for tensor, before in reversed(self._changed):
            tensor.copy_(before)
        self._changed.clear()

    def replay(self):
        with torch.no_grad():
            for func, args, kwargs, result in self._calls:
                again = func(*args, **kwargs)
                for kept, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(kept, torch.Tensor) and kept is not new:
                        kept.copy_(new)


class SimGraphs:
    """A recorder as those of `hpc.recorded_work`."""

    def __init__(self, idle):
        self._idle = idle

    def warming_up(self):
        return nullcontext()

    def record(self, work):
        self._idle.tape = tape = Tape()
        try:
            result = work()
        finally:
            self._idle.tape = None
        tape.undo()
        return result, tape.replay


def _written(func, args, kwargs):
    given = {}
    for argument, value in zip(func._schema.arguments, args, strict=False):
        given[argument.name] = value
    given |= kwargs
    for argument in func._schema.arguments:
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from (it for it in tree_leaves(given.get(argument.name)) if torch.is_tensor(it))
