"""Merging a training configuration from layers: preset, TOML file, overrides given in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any, Literal

from histosyn.config.file import check_table, from_dict, load_toml
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from hpc.paths import AnyPath

PresetName = Literal["fast", "quality", "paper"]
_GIVEN = "the settings given"


def train_config(
    config: TrainConfig | AnyPath | None = None,
    *,
    preset: PresetName | None = None,
    **sections: Mapping[str, Any],
) -> TrainConfig:
    """A configuration as `histosyn train` puts it together, for `histosyn.train`.

    `config` is a TOML file, or a configuration to change. `sections` go before it, such as
    `data={"shards": "packed/train", "crop": 256}, run={"steps": 500}`; `preset` is what both leave
    open. The sections are data, generator, discriminator, optimizer, loss and run; the fields of
    `TrainConfig` tell the settings with their defaults. Of all only `data.shards` must be given.

    Raises ConfigError naming file and setting: an unknown key (with the nearest name), a wrong
    type, a value out of range; InputError if the file is not there.
    """
    merged: dict[str, Any] = {"data": {}}
    sources = []
    for source, layer in _layers(config, preset, sections):
        check_table(TrainConfig, layer, source)
        for name, settings in layer.items():
            merged[name] = merged.get(name, {}) | settings
        sources.append(source)
    return from_dict(TrainConfig, merged, " with ".join(sources) or _GIVEN)


def _layers(
    config: TrainConfig | AnyPath | None,
    preset: str | None,
    sections: dict[str, Mapping[str, Any]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What errors call each layer and its settings by section, from the bottom up."""
    if preset is not None:
        yield f"preset {preset}", _settings_of_preset(preset)
    if isinstance(config, TrainConfig):
        yield "the configuration", asdict(config)
    elif config is not None:
        yield str(config), load_toml(config)
    if sections:
        plain = {
            name: dict(settings) if isinstance(settings, Mapping) else settings
            for name, settings in sections.items()
        }
        yield _GIVEN, plain


def _settings_of_preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        near = get_close_matches(str(name), PRESETS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(f"There is no preset {name}. {hint}Give one of {', '.join(PRESETS)}.")
    return PRESETS[name].settings
