"""The search space: which config fields are searched, and the distributions of their values.

Every value is keyed by (seed, field, number of the candidate). So candidate 7 is the same however
many candidates there are and in whatever order they run, and searching one more field leaves the
values of the others as they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from histosyn.config.file import as_plain, from_dict
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from hpc.randomness import key_of, uniform

# What a sweep decides itself: trials are compared at equal steps, each in a folder of its own.
_RESERVED = ("run.folder", "run.steps", "run.device")


class Distribution(Protocol):
    """What a field's values are drawn from."""

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1), a number that is drawn uniformly."""

    def as_plain(self) -> dict[str, list[Any]]:
        """The distribution as it stands in a sweep file."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, uniform on a linear or a logarithmic scale.

    Between whole numbers lie whole numbers, both ends included.
    """

    low: float
    high: float
    logarithmic: bool

    def at(self, u: float) -> float:
        """The value at `u` in [0, 1)."""
        whole = isinstance(self.low, int)
        high = self.high + 1 if whole else self.high
        if self.logarithmic:
            value = self.low * (high / self.low) ** u
        else:
            value = self.low + (high - self.low) * u
        # Rounding may carry a value over the end.
        return min(math.floor(value) if whole else value, self.high)

    def as_plain(self) -> dict[str, list[Any]]:
        """The distribution as it stands in a sweep file."""
        return {"log_uniform" if self.logarithmic else "uniform": [self.low, self.high]}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the `values`, each as likely as another."""

    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1)."""
        return self.values[int(u * len(self.values))]

    def as_plain(self) -> dict[str, list[Any]]:
        """The distribution as it stands in a sweep file."""
        return {"choice": list(self.values)}


_KINDS = ("uniform", "log_uniform", "choice")


def parse_space(search: dict[str, Any], base: TrainConfig, source: str) -> dict[str, Distribution]:
    """Distributions by dotted field of `base`, from `{field: {kind: [...]}}`.

    TOML makes tables of a dotted field without quotes, `{section: {field: ...}}`: that will do too.
    Raises ConfigError naming `source` and the field: an unknown field or kind (with the nearest
    name), bounds that are no range, a value that the field can't take.
    """
    if not search:
        example = "optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }"
        raise ConfigError(f"{source} is empty. Name a field to search, such as {example}.")
    dotted = _dotted(search, base)
    known = _field_names(base)
    for field in dotted:
        _require_searchable(field, known, source)
    return {field: _parse(field, spec, base, source) for field, spec in dotted.items()}


def draw(space: dict[str, Distribution], seed: int, number: int) -> dict[str, Any]:
    """The values of candidate `number` (0, 1, ...) by dotted field."""
    position = np.array([number], dtype=np.int64)
    return {
        field: distribution.at(float(uniform(key_of(seed, "search", field), position)[0]))
        for field, distribution in space.items()
    }


def with_values(base: TrainConfig, values: dict[str, Any], source: str) -> TrainConfig:
    """`base` with other values of some dotted fields; raises ConfigError if one doesn't fit."""
    data = as_plain(base)
    for field, value in values.items():
        *sections, name = field.split(".")
        reduce(dict.__getitem__, sections, data)[name] = value
    return from_dict(TrainConfig, data, source)


def _dotted(search: dict[str, Any], base: TrainConfig) -> dict[str, Any]:
    dotted: dict[str, Any] = {}
    for name, value in search.items():
        if is_dataclass(getattr(base, name, None)) and isinstance(value, dict):
            dotted |= {f"{name}.{field}": spec for field, spec in value.items()}
        else:
            dotted[name] = value
    return dotted


def _field_names(section: Any, prefix: str = "") -> list[str]:
    names = []
    for item in fields(section):
        value = getattr(section, item.name)
        name = prefix + item.name
        names += _field_names(value, f"{name}.") if is_dataclass(value) else [name]
    return names


def _require_searchable(field: str, known: list[str], source: str) -> None:
    if field in _RESERVED:
        raise ConfigError(f"{source}: {field} cannot be searched: the sweep decides it itself.")
    if field not in known:
        near = get_close_matches(field, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"such as {known[-1]}."
        raise ConfigError(f"{source}: unknown config field {field}; {hint}")


def _parse(field: str, spec: Any, base: TrainConfig, source: str) -> Distribution:
    if not isinstance(spec, dict) or len(spec) != 1:
        raise ConfigError(
            f"{source}: {field} = {spec!r} must be a table with one of {', '.join(_KINDS)}, "
            "such as { uniform = [1, 20] }."
        )
    ((kind, values),) = spec.items()
    if kind not in _KINDS:
        near = get_close_matches(kind, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_KINDS)}."
        raise ConfigError(f"{source}: {field}: unknown distribution {kind}; {hint}")
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{source}: {field}: {kind} = {values!r} must be a list of values.")
    if kind != "choice":
        _require_bounds(field, kind, values, source)
    values = [_accepted(field, value, base, source) for value in values]
    if kind == "choice":
        return Choice(values=tuple(values))
    return Range(low=values[0], high=values[1], logarithmic=kind == "log_uniform")


def _require_bounds(field: str, kind: str, values: list[Any], source: str) -> None:
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        for value in values
    )
    if not numbers or len(values) != 2:
        raise ConfigError(f"{source}: {field}: {kind} = {values!r} must be two numbers, low, high.")
    low, high = values
    if low >= high:
        raise ConfigError(f"{source}: {field}: {kind} = {values!r}: the first must be the smaller.")
    if kind == "log_uniform" and low <= 0:
        raise ConfigError(
            f"{source}: {field}: log_uniform = {values!r} must be positive. "
            "Raise the lower bound or take uniform."
        )


def _accepted(field: str, value: Any, base: TrainConfig, source: str) -> Any:
    """The value as the field holds it, in plain form; ConfigError if the field can't take it."""
    config = with_values(base, {field: value}, source)
    taken = reduce(getattr, field.split("."), config)
    return str(taken.absolute()) if isinstance(taken, Path) else taken
