"""Records that know nothing of a setting were made without it, whatever its default has become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from histosyn.config.data import DataConfig
from histosyn.config.earlier import WITHOUT, generator_as_made, going_on, training_as_begun
from histosyn.config.file import as_plain, from_dict
from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig

NOW = TrainConfig(data=DataConfig(shards=Path("packed/train")))


def older(config: TrainConfig) -> dict[str, dict[str, object]]:
    """The sections of `config` as a version wrote them that had none of the newer settings."""
    return {
        name: {key: value for key, value in section.items() if key not in WITHOUT.get(name, {})}
        for name, section in as_plain(config).items()
    }


def test_every_setting_that_came_later_is_one_and_its_default_has_changed() -> None:
    for name, settings in WITHOUT.items():
        now = as_plain(NOW)[name]
        assert settings.keys() <= now.keys()
    changed = {
        f"{name}.{key}"
        for name, settings in WITHOUT.items()
        for key, was in settings.items()
        if as_plain(NOW)[name][key] != was
    }
    assert {"generator.upsampling", "generator.stain", "discriminator.pretrained"} <= changed


def test_an_older_model_is_read_as_it_was_made() -> None:
    settings = older(NOW)["generator"]
    made = from_dict(GeneratorConfig, generator_as_made(settings), "config.json")
    assert (made.upsampling, made.border, made.stain) == ("nearest", "zeros", False)
    assert made.base_channels == NOW.generator.base_channels


def test_what_a_record_says_is_kept() -> None:
    assert generator_as_made(as_plain(NOW.generator)) == as_plain(NOW.generator)
    assert training_as_begun(as_plain(NOW)) == as_plain(NOW)


def test_an_older_run_goes_on_by_the_same_command() -> None:
    """A command that says nothing of the newer settings means those of the run."""
    begun = older(NOW)
    config = going_on(NOW, begun)
    assert config == from_dict(TrainConfig, training_as_begun(begun), "its checkpoint")
    assert config.discriminator.pretrained == "none"


def test_a_run_of_today_goes_on_as_it_is() -> None:
    assert going_on(NOW, as_plain(NOW)) == NOW


def test_who_asks_for_something_else_is_asked_back() -> None:
    wished = replace(NOW, generator=replace(NOW.generator, border="reflect"))
    assert going_on(wished, older(NOW)).generator.border == "reflect"


def test_the_originals_preset_has_none_of_it() -> None:
    config = from_dict(
        TrainConfig, {"data": {"shards": "x"}} | PRESETS["paper"].settings, "preset paper"
    )
    plain = as_plain(config)
    assert {name: plain[name] | was for name, was in WITHOUT.items()} == {
        name: plain[name] for name in WITHOUT
    }


@pytest.mark.parametrize(("kind", "network"), [("patch", "efficientnet-lite0"), ("unet", "none")])
def test_the_usual_network_goes_with_the_kind(kind: str, network: str) -> None:
    assert DiscriminatorConfig(kind=kind).pretrained == network
