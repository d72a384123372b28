"""What settings meant before they existed: records of older versions leave them out.

Defaults are for what is begun. A run, a model or a sweep that knows nothing of a setting was made
without it, and stays so whatever the default has become.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from histosyn.config.train import TrainConfig

WITHOUT: dict[str, dict[str, Any]] = {
    "generator": {
        "upsampling": "nearest",
        "border": "zeros",
        "stain": False,
    },
    "discriminator": {"pretrained": "none", "grain_channels": 0},
}


def generator_as_made(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The generator's settings of a model or a checkpoint, complete."""
    return WITHOUT["generator"] | dict(settings)


def training_as_begun(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of the configuration in a record of a training, complete."""
    return dict(sections) | {
        name: settings | sections.get(name, {}) for name, settings in WITHOUT.items()
    }


def going_on(config: TrainConfig, begun: Mapping[str, Any]) -> TrainConfig:
    """`config` for a run that was begun with the sections `begun`.

    Settings that these leave out are as they were then, unless `config` says otherwise than the
    defaults: whoever does that has to be told that the run is another.
    """
    sections = {
        name: replace(
            section,
            **{
                setting: was
                for setting, was in WITHOUT[name].items()
                if setting not in begun.get(name, {})
                and getattr(section, setting) == getattr(type(section)(), setting)
            },
        )
        for name in WITHOUT
        for section in [getattr(config, name)]
    }
    return replace(config, **sections)
