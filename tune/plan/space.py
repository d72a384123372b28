"""The search space: which config fields are searched, what their values are drawn from, and when.

Every value is keyed by (seed, field, number of the candidate). So candidate 7 is the same however
many candidates there are and in whatever order they run, and searching one more field leaves the
values of the others as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.config.file import as_plain, from_dict
from histosyn.config.networks import DiscriminatorConfig
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from hpc.randomness import key_of, uniform
from tune.plan.distributions import Choice, Distribution

Space = Mapping[str, Distribution]
Values = dict[str, Any]

# Not a field: the settings of a preset, laid over the base configuration, or of none.
PRESET, NO_PRESET = "preset", "none"


def draw(space: Space, seed: int, number: int) -> Values:
    """The values of candidate `number` (0, 1, ...) by dotted field, of those that are searched."""
    position = np.array([number], dtype=np.int64)
    return searched(space, {
        field: distribution.at(float(uniform(key_of(seed, "search", field), position)[0]))
        for field, distribution in space.items()
    })  # fmt: skip


def searched(space: Space, values: Values) -> Values:
    """Of values for all fields, those of the fields whose condition holds among them."""

    def holds(field: str) -> bool:
        # Fields that are not searched have been found to fit when the space was read.
        return all(
            name not in space or (holds(name) and values[name] in allowed)
            for name, allowed in space[field].when.items()
        )

    return {field: value for field, value in values.items() if holds(field)}


def grid(space: Space) -> Iterator[Values]:
    """All combinations of choices, each once; fields that are not searched in one are not in it."""
    fields = _parents_first(space)

    def extended(values: Values, depth: int) -> Iterator[Values]:
        if depth == len(fields):
            yield {field: values[field] for field in space if field in values}
            return
        field, item = fields[depth], space[fields[depth]]
        if not all(name not in space or (name in values and values[name] in allowed)
                   for name, allowed in item.when.items()):  # fmt: skip
            yield from extended(values, depth + 1)
            return
        assert isinstance(item, Choice), "a grid is one of choices"
        for place, value in enumerate(item.values):
            if value not in item.values[:place]:
                yield from extended(values | {field: value}, depth + 1)

    return extended({}, 0)


def _parents_first(space: Space) -> list[str]:
    """The fields, each after those that it is conditional on."""
    found: list[str] = []

    def add(field: str) -> None:
        for name in space[field].when:
            if name in space:
                add(name)
        if field not in found:
            found.append(field)

    for field in space:
        add(field)
    return found


def base_values(space: Space, base: TrainConfig) -> Values:
    """What the fields that are searched have in the base configuration."""
    return searched(space, {field: value_in(base, field) for field in space})


def value_in(config: TrainConfig, field: str) -> Any:
    """The value of a dotted field, in plain form."""
    if field == PRESET:
        return NO_PRESET
    value = reduce(getattr, field.split("."), config)
    return str(value) if isinstance(value, Path) else value


def with_values(base: TrainConfig, values: Values, source: str) -> TrainConfig:
    """`base` with other values of some dotted fields; raises ConfigError if one doesn't fit."""
    data = as_plain(base)
    if preset := PRESETS.get(values.get(PRESET, NO_PRESET)):
        data |= {name: data[name] | settings for name, settings in preset.settings.items()}
    if "discriminator.kind" in values and _pretrained_is_usual(base):
        # Unset, it is what goes with the kind.
        del data["discriminator"]["pretrained"]
    known = {*field_names(base), PRESET}
    for field, value in values.items():
        if field not in known:
            raise ConfigError(f"{source}: unknown config field {field}. Correct it.")
        if field != PRESET:
            section, name = field.split(".")
            data[section][name] = value
    return from_dict(TrainConfig, data, source)


def dotted(table: dict[str, Any], base: TrainConfig) -> dict[str, Any]:
    """A table by dotted field.

    TOML makes tables of a dotted field without quotes, `{section: {field: ...}}`.
    """
    found: dict[str, Any] = {}
    for name, value in table.items():
        if is_dataclass(getattr(base, name, None)) and isinstance(value, dict):
            found |= {f"{name}.{field}": spec for field, spec in value.items()}
        else:
            found[name] = value
    return found


def field_names(section: Any, prefix: str = "") -> list[str]:
    """All dotted fields of a configuration."""
    names = []
    for item in fields(section):
        value = getattr(section, item.name)
        name = prefix + item.name
        names += field_names(value, f"{name}.") if is_dataclass(value) else [name]
    return names


def _pretrained_is_usual(base: TrainConfig) -> bool:
    usual = DiscriminatorConfig(kind=base.discriminator.kind).pretrained
    return base.discriminator.pretrained == usual
