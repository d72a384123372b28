"""Reading [search] and [[start]] of a sweep file: strictly, so that nothing fails in mid-sweep.

loss.feature_matching = { uniform = [1, 20], when = { discriminator.kind = "patch" } }
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from tune.plan.distributions import Choice, Distribution, Range
from tune.plan.space import (
    NO_PRESET,
    PRESET,
    Space,
    Values,
    dotted,
    field_names,
    searched,
    value_in,
    with_values,
)

# What a sweep decides itself: trials are compared at equal steps, each in a folder of its own.
_RESERVED = ("run.folder", "run.steps", "run.device")
_KINDS = ("uniform", "log_uniform", "choice")
_WHEN = "when"


@dataclass(frozen=True, kw_only=True)
class _Outline:
    """A distribution as it was written down, before it is known whether fields take its values."""

    kind: str
    values: list[Any]
    when: dict[str, tuple[Any, ...]]

    def may_be(self, value: Any) -> bool:
        if self.kind == "choice":
            return value in self.values
        return isinstance(value, int | float) and self.values[0] <= value <= self.values[1]


def parse_space(search: dict[str, Any], base: TrainConfig, source: str) -> dict[str, Distribution]:
    """Distributions by dotted field of `base`, from `{field: {kind: [...], when: {...}}}`.

    Raises ConfigError naming `source` and the field: an unknown field or kind (with the nearest
    name), bounds that are no range, a value that the field can't take, a condition that can't be.
    """
    if not search:
        example = "optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }"
        raise ConfigError(f"{source} is empty. Name a field to search, such as {example}.")
    specs = dotted(search, base)
    known = [*field_names(base), PRESET]
    for field in specs:
        _require_searchable(field, known, source)
    outlines = {field: _outline(field, spec, base, source) for field, spec in specs.items()}
    for field in outlines:
        _require_possible(field, outlines, base, source)
        _require_no_circle(field, outlines, source)
    return {field: _distribution(field, outlines, base, source) for field in outlines}


def parse_start(tables: Any, space: Space, base: TrainConfig, source: str) -> tuple[Values, ...]:
    """The values of trials to run first, complete, from the tables `[[start]]`.

    What a table leaves out is as in the base configuration. Values may lie outside of what is
    searched. Raises ConfigError for what is not searched, or contradicts itself.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{source} must be tables [[start]], not {tables!r}.")
    return tuple(
        _started(dotted(table, base), space, base, f"{source} {number}")
        for number, table in enumerate(tables, 1)
    )


def _started(given: Values, space: Space, base: TrainConfig, source: str) -> Values:
    for field in given:
        if field not in space:
            near = get_close_matches(field, space, n=1)
            hint = f"did you mean {near[0]}?" if near else f"[search] has {', '.join(space)}."
            raise ConfigError(f"{source}: {field} is not searched; {hint}")
    values = searched(space, {field: value_in(base, field) for field in space} | given)
    if left_out := [field for field in given if field not in values]:
        field = left_out[0]
        raise ConfigError(
            f"{source}: {field} is only searched when {_condition(space[field].when)}, which these "
            "values are not. Leave it out, or add that."
        )
    config = with_values(base, values, source)
    return {
        field: value if field == PRESET else value_in(config, field)
        for field, value in values.items()
    }


def _condition(when: Any) -> str:
    return " and ".join(
        f"{name} is {' or '.join(map(str, values))}" for name, values in when.items()
    )


def _require_searchable(field: str, known: list[str], source: str) -> None:
    if field in _RESERVED:
        raise ConfigError(f"{source}: {field} cannot be searched: the sweep decides it itself.")
    if field not in known:
        near = get_close_matches(field, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"such as {known[-2]}."
        raise ConfigError(f"{source}: unknown config field {field}; {hint}")


def _outline(field: str, spec: Any, base: TrainConfig, source: str) -> _Outline:
    kinds = [name for name in spec if name != _WHEN] if isinstance(spec, dict) else []
    if len(kinds) != 1:
        raise ConfigError(
            f"{source}: {field} = {spec!r} must be a table with one of {', '.join(_KINDS)}, "
            "such as { uniform = [1, 20] }."
        )
    (kind,) = kinds
    values = spec[kind]
    if kind not in _KINDS:
        near = get_close_matches(kind, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_KINDS)}."
        raise ConfigError(f"{source}: {field}: unknown distribution {kind}; {hint}")
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{source}: {field}: {kind} = {values!r} must be a list of values.")
    if kind != "choice":
        _require_bounds(field, kind, values, source)
    if field == PRESET:
        _require_presets(kind, values, source)
    when = spec.get(_WHEN, {})
    if not isinstance(when, dict):
        raise ConfigError(
            f"{source}: {field}: when = {when!r} must be a table of other fields and their values, "
            'such as { discriminator.kind = "patch" }.'
        )
    conditions = {
        name: tuple(allowed if isinstance(allowed, list) else [allowed])
        for name, allowed in dotted(when, base).items()
    }
    return _Outline(kind=kind, values=values, when=conditions)


def _require_presets(kind: str, values: Sequence[Any], source: str) -> None:
    known = (*PRESETS, NO_PRESET)
    for value in values:
        if kind != "choice" or value not in known:
            raise ConfigError(
                f"{source}: preset: {kind} = {list(values)!r} must be a choice of "
                f"{', '.join(known)}."
            )


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


def _require_possible(
    field: str, outlines: dict[str, _Outline], base: TrainConfig, source: str
) -> None:
    for name, allowed in outlines[field].when.items():
        if name in outlines:
            impossible = [value for value in allowed if not outlines[name].may_be(value)]
            why = f"[search] never gives {name} that value"
        elif name in field_names(base):
            value = value_in(base, name)
            impossible = [] if value in allowed else list(allowed)
            why = f"{name} = {value} in [train], and it is not searched"
        else:
            near = get_close_matches(name, [*field_names(base), PRESET], n=1)
            hint = f"did you mean {near[0]}?" if near else "it is no field, or not searched."
            raise ConfigError(f"{source}: {field}: when: unknown field {name}; {hint}")
        if impossible or not allowed:
            raise ConfigError(
                f"{source}: {field} is searched when {name} = {', '.join(map(str, impossible))}, "
                f"but {why}. Correct one of them."
            )


def _require_no_circle(field: str, outlines: dict[str, _Outline], source: str) -> None:
    def follow(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(
                f"{source}: {' depends on '.join((*path, name))}. Leave out one of these `when`."
            )
        for parent in outlines[name].when if name in outlines else ():
            follow(parent, (*path, name))

    follow(field, ())


def _distribution(
    field: str, outlines: dict[str, _Outline], base: TrainConfig, source: str
) -> Distribution:
    outline = outlines[field]
    values = [_accepted(field, value, outlines, base, source) for value in outline.values]
    if outline.kind == "choice":
        return Choice(values=tuple(values), when=outline.when)
    logarithmic = outline.kind == "log_uniform"
    return Range(low=values[0], high=values[1], logarithmic=logarithmic, when=outline.when)


def _accepted(
    field: str, value: Any, outlines: dict[str, _Outline], base: TrainConfig, source: str
) -> Any:
    """The value as the field holds it, in plain form; ConfigError if the field can't take it."""
    around = _around(field, value, outlines)
    config = with_values(base, around | {field: value}, source)
    if field == PRESET:
        return value
    taken = value_in(config, field)
    return str(Path(taken).absolute()) if _is_path(config, field) else taken


def _is_path(config: TrainConfig, field: str) -> bool:
    section, name = field.split(".")
    return isinstance(getattr(getattr(config, section), name), Path)


def _around(field: str, value: Any, outlines: dict[str, _Outline]) -> Values:
    """What goes with a value: that which its field is conditional on, and what is on it."""
    above: Values = {}
    waiting = [field]
    while waiting:
        for name, allowed in outlines[waiting.pop()].when.items():
            if name in outlines and name not in above:
                above[name] = allowed[0]
                waiting.append(name)
    below = {
        name: outline.values[0]
        for name, outline in outlines.items()
        if value in outline.when.get(field, ())
    }
    return below | above
