"""Every error that histosyn raises for its users is in this tree.

    HistosynError                 exit code 1: the work failed
    ├── DamagedFileError          a file of ours is truncated, altered or incomplete
    ├── FullDiskError             the disk is full, or a quota is used up
    ├── TrainingDivergedError     a loss or weight is no longer finite
    ├── LostProcessError          a process of the group was killed, froze, or never came
    ├── LostNodesError            exit code 75: too few nodes are left; with more it goes on
    ├── PartialFailureError       some items failed, the rest is done
    └── InputError                exit code 2: what was asked for cannot be done as asked
        ├── ConfigError           an unknown key, a wrong type, a value out of range
        ├── SchemaError           a label schema contradicts itself
        ├── LabelError            a label map does not fit its schema
        └── DatasetError          tiles, labels or shards do not fit together
            └── SampleError       one sample of a shard cannot be used

A message says what is wrong, where, and what to do about it, in this order.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class HistosynError(Exception):
    """Root of the tree: the work failed. Printed as one message, without a traceback."""

    exit_code = 1


class DamagedFileError(HistosynError):
    """A file of ours is truncated, altered or incomplete."""


class FullDiskError(HistosynError):
    """The disk is full, or a quota is used up. What was written before is as it was."""


class TrainingDivergedError(HistosynError):
    """A loss or weight is no longer finite."""


class LostProcessError(HistosynError):
    """A process of the group was killed or froze, or its node was lost, or it never came. Nothing
    else need be wrong: the same work goes on from its checkpoint.
    """


class LostNodesError(HistosynError):
    """Too few nodes are left to go on. The same command goes on where there are more: sysexits.h
    has a code for what is to be tried again later, by which job scripts know it.
    """

    exit_code = 75


class PartialFailureError(HistosynError):
    """Some items failed and were reported; the rest is done."""


class InputError(HistosynError):
    """What was asked for cannot be done as asked: a wrong path, damaged input, a contradiction."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration has an unknown key, a wrong type or a value out of range."""


class SchemaError(InputError):
    """A label schema contradicts itself."""


class LabelError(InputError):
    """A label map does not fit its schema."""


class DatasetError(InputError):
    """Tiles, labels or shards do not fit together."""


class SampleError(DatasetError):
    """One sample of a shard cannot be used: which, and why. `cause` stands without a full stop."""

    def __init__(self, *, shard: str, key: str, cause: str, remedy: str) -> None:
        super().__init__(f"{shard}, {key}: {cause}. {remedy}")
        self.shard = shard
        self.key = key
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by loader workers."""
        return partial(SampleError, **vars(self)), ()
