"""Running means of the metrics between two reports, without synchronizing with the device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch

from hpc import collectives


class StepMeans:
    """Scalars of single steps by name, on this rank; means of them over steps and all ranks.

    Not every step measures everything. A mean adds up its steps one by one, so it is the same if a
    restart lay between them: `carried` is the `state` from before it.
    """

    def __init__(self, carried: dict[str, Any] | None = None) -> None:
        self._local: defaultdict[str, list[tuple[int, torch.Tensor]]] = defaultdict(list)
        self._agreed: dict[str, list[tuple[int, float]]] = {
            name: [(int(step), float(value)) for step, value in values]
            for name, values in (carried or {}).items()
        }

    def add(self, step: int, values: Mapping[str, torch.Tensor]) -> None:
        """Take what was measured at a step; all ranks measure the same things at the same steps."""
        for name, value in values.items():
            self._local[name].append((step, value))

    def means(self) -> dict[str, float]:
        """Means over steps of the means over ranks. Every rank calls it."""
        return {
            name: sum(value for _, value in values) / len(values)
            for name, values in self._meet().items()
        }

    def first_broken(self) -> tuple[int, list[str]] | None:
        """The first step at which something was not finite, and what. Every rank calls it."""
        broken = sorted(
            (step, name)
            for name, values in self._meet().items()
            for step, value in values
            if not math.isfinite(value)
        )
        if not broken:
            return None
        first = broken[0][0]
        return first, [name for step, name in broken if step == first]

    def state(self) -> dict[str, Any]:
        """What a checkpoint between two reports has to hold. Every rank calls it."""
        return {
            name: [[step, value] for step, value in values] for name, values in self._meet().items()
        }

    def _meet(self) -> dict[str, list[tuple[int, float]]]:
        """Each step's means over all ranks, in one exchange."""
        names = sorted(self._local)
        if names:
            local = torch.cat(
                [torch.stack([value.double() for _, value in self._local[name]]) for name in names]
            )
            means = iter(collectives.stack_over_ranks(local).mean(dim=0).tolist())
            for name in names:
                new = [(step, next(means)) for step, _ in self._local[name]]
                self._agreed[name] = self._agreed.get(name, []) + new
            self._local.clear()
        return self._agreed
