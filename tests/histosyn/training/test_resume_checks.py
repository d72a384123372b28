"""A run goes on only as what it was begun as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tissue import pack_blobs, tiny_config

from histosyn.training.run import run_training
from hpc.errors import ConfigError


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


def test_a_changed_configuration_cannot_be_resumed(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=2)
    run_training(config)
    changed = replace(config, optimizer=replace(config.optimizer, generator_lr=1e-3))
    with pytest.raises(ConfigError, match=r"optimizer\.generator_lr"):
        run_training(changed)


def test_other_tiles_at_the_same_place_are_noticed(tmp_path: Path) -> None:
    config = tiny_config(pack_blobs(tmp_path / "a", count=4), tmp_path / "run", steps=2)
    run_training(config)
    others = pack_blobs(tmp_path / "b", count=5)
    with pytest.raises(ConfigError, match="the shards"):
        run_training(replace(config, data=replace(config.data, shards=others)))
    moved = (tmp_path / "a" / "packed").rename(tmp_path / "moved") / "train"
    run_training(replace(config, data=replace(config.data, shards=moved)))


def test_fewer_steps_than_were_taken_are_refused(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=3)
    run_training(config)
    with pytest.raises(ConfigError, match="has taken 3 steps already"):
        run_training(replace(config, run=replace(config.run, steps=2)))
