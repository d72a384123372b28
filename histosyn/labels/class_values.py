"""The mapping of pixel values to classes that a schema's `value` and `ignore` define.

Label maps in memory, in shards and in files that histosyn writes hold class indices. Files of
others may hold what they like: masks of 0 and 255, numbers with gaps, 0 for what has no label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hpc.errors import SchemaError

# The largest value of 8 bits; as an index it is no class, so it can stand for what is ignored.
LARGEST_VALUE = 255
_SHOWN_VALUES = 12


def values_from(data: Any, where: str) -> tuple[int, ...]:
    """File values from a whole number or a list of them; SchemaError, beginning with `where`."""
    values = data if isinstance(data, list | tuple) else [data]
    if not values or not all(type(item) is int and 0 <= item <= LARGEST_VALUE for item in values):
        raise SchemaError(
            f"{where} = {data!r} must be a whole number in 0..{LARGEST_VALUE} or a list of them."
        )
    return tuple(values)


def as_written(values: Sequence[int]) -> int | list[int]:
    """File values as they stand in a schema file: one alone, or a list."""
    return values[0] if len(values) == 1 else list(values)


def values_of_classes(
    said: Sequence[tuple[int, ...]], ignored: Sequence[int]
) -> list[tuple[int, ...]]:
    """The file values of each class: as `said`, or else its index.

    Where 0 is ignored, classes begin at 1, so that it is the index and one.
    """
    first = int(0 in ignored)
    return [values or (index + first,) for index, values in enumerate(said)]


def check_values(names: Sequence[str], values: Sequence[tuple[int, ...]]) -> None:
    """Raise SchemaError if a value stands for two of `names`, or is beyond 8 bits."""
    holder: dict[int, str] = {}
    for name, of_class in zip(names, values, strict=True):
        for value in of_class:
            if value > LARGEST_VALUE:
                raise SchemaError(f"{name} has no file value: {value} is beyond 8 bits. Say one.")
            if holder.setdefault(value, name) != name:
                raise SchemaError(
                    f"The file value {value} stands for {holder[value]} and for {name}. "
                    "Say of each which value it has (value = ...)."
                )


def value_table(values: Iterable[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The position in `values` of what each of 256 values stands for, uint8, and if any, bool."""
    position, known = np.zeros(256, dtype=np.uint8), np.zeros(256, dtype=bool)
    for index, of_class in enumerate(values):
        position[list(of_class)] = index
        known[list(of_class)] = True
    return position, known


def values_text(known: np.ndarray) -> str:
    """The values that are `known`, bool (256,), as runs: "0, 3 to 7 and 255"."""
    runs: list[list[int]] = []
    for value in np.flatnonzero(known).tolist():
        if runs and value == runs[-1][-1] + 1:
            runs[-1][1:] = [value]
        else:
            runs.append([value])
    texts = [" to ".join(map(str, run)) for run in runs]
    if len(texts) > _SHOWN_VALUES:
        texts = [*texts[:_SHOWN_VALUES], "others"]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
