"""What a field's values are drawn from: ranges and choices, and when the field is searched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# Fields and the values that they must have for another field to be searched.
Condition = Mapping[str, tuple[Any, ...]]


class Distribution(Protocol):
    """What a field's values are drawn from."""

    @property
    def when(self) -> Condition:
        """Where the field is searched; elsewhere it keeps its value. Empty: always."""

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1), a number that is drawn uniformly."""

    def holds(self, value: Any) -> bool:
        """Whether the value is one that can be drawn."""

    def as_plain(self) -> dict[str, Any]:
        """The distribution as it stands in a sweep file."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, uniform on a linear or a logarithmic scale.

    Between whole numbers lie whole numbers, both ends included.
    """

    low: float
    high: float
    logarithmic: bool
    when: Condition = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int)

    def at(self, u: float) -> float:
        """The value at `u` in [0, 1)."""
        high = self.high + 1 if self.whole else self.high
        if self.logarithmic:
            value = self.low * (high / self.low) ** u
        else:
            value = self.low + (high - self.low) * u
        # Rounding may carry a value over the end.
        return min(math.floor(value) if self.whole else value, self.high)

    def holds(self, value: Any) -> bool:
        """Whether it is a number of the range's kind, in its bounds."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def as_plain(self) -> dict[str, Any]:
        """The distribution as it stands in a sweep file."""
        kind = "log_uniform" if self.logarithmic else "uniform"
        return {kind: [self.low, self.high], **_plain(self.when)}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the `values`, each as likely as another."""

    values: tuple[Any, ...]
    when: Condition = field(default_factory=dict)

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1)."""
        return self.values[int(u * len(self.values))]

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        return value in self.values

    def as_plain(self) -> dict[str, Any]:
        """The distribution as it stands in a sweep file."""
        return {"choice": list(self.values), **_plain(self.when)}


def _plain(when: Condition) -> dict[str, Any]:
    return {"when": {name: list(values) for name, values in when.items()}} if when else {}
