from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import pytest

from histosyn.config.data import DataConfig
from histosyn.config.file import as_toml
from histosyn.config.layers import PresetName, train_config
from histosyn.config.learning import OptimizerConfig
from histosyn.config.networks import GeneratorConfig
from histosyn.config.presets import PRESETS
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError, InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.toml"
    path.write_text('[data]\nshards = "packed"\ncrop = 64\n[generator]\nbase_channels = 24\n')
    return path


def test_a_preset_lies_below_the_file_and_that_below_what_is_given(file: Path) -> None:
    config = train_config(file, preset="fast", data={"crop": 32}, run={"steps": 5})
    assert config == TrainConfig(
        data=DataConfig(shards=Path("packed"), crop=32),
        generator=GeneratorConfig(base_channels=24, label_channels=64),
        discriminator=replace(TrainConfig(data=config.data).discriminator, base_channels=16),
        optimizer=OptimizerConfig(generator_lr=1e-3, discriminator_lr=1e-3),
        run=RunConfig(steps=5, precision="auto"),
    )


def test_no_file_is_needed() -> None:
    data = MappingProxyType({"shards": Path("packed"), "crop": None})
    assert train_config(data=data) == TrainConfig(data=DataConfig(shards=Path("packed")))


@pytest.mark.parametrize("name", get_args(PresetName))
def test_a_configuration_is_changed_in_what_is_given_only(name: str) -> None:
    config = train_config(preset=name, data={"shards": "packed"}, run={"keep_every": 3})
    assert train_config(config) == config
    longer = train_config(config, run={"steps": 7, "keep_every": None})
    assert longer == replace(config, run=replace(config.run, steps=7, keep_every=None))


def test_a_whole_configuration_leaves_nothing_to_a_preset(file: Path) -> None:
    config = train_config(file)
    assert train_config(config, preset="paper") == config
    assert train_config(as_file(config, file), preset="fast") == config


def as_file(config: TrainConfig, path: Path) -> Path:
    path.write_text(as_toml(config))
    return path


def test_presets_are_those_there_are() -> None:
    assert set(get_args(PresetName)) == set(PRESETS)


@pytest.mark.parametrize(
    "given, match",
    [
        ({}, r"the settings given: data\.shards is missing"),
        ({"preset": "fast"}, r"preset fast: data\.shards is missing"),
        ({"preset": "fist"}, "There is no preset fist. Did you mean fast"),
        ({"runn": {}}, "the settings given: unknown key runn; did you mean run"),
        ({"run": {"stepz": 3}}, r"unknown key run\.stepz; did you mean run\.steps"),
        ({"run": 3}, "run = 3 must be a table"),
        ({"run": {"steps": "3"}}, r"run\.steps = '3' must be a whole number"),
        ({"data": {"shards": "x", "crop": 0}}, r"data\.crop = 0 must be at least 1"),
    ],
)
def test_what_does_not_fit_is_named(given: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        train_config(**given)


def test_the_file_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.toml with the settings given: run\.steps = 0"):
        train_config(file, run={"steps": 0})
    file.write_text("[run]\nstepz = 1\n")
    with pytest.raises(ConfigError, match=r"train\.toml: unknown key run\.stepz"):
        train_config(str(file))
    with pytest.raises(InputError, match="does not exist"):
        train_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is no path"):
        train_config(3)
