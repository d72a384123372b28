from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.config.data import DataConfig
from histosyn.config.file import as_plain, as_toml, differing_fields, from_dict, load_toml
from histosyn.config.learning import LossConfig
from histosyn.config.run import RunConfig
from histosyn.config.train import RESUMABLE_CHANGES, TrainConfig
from hpc.errors import ConfigError, InputError

BASE = TrainConfig(data=DataConfig(shards=Path("shards")))


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$~\0"), min_size=1),
    st.integers(1, 10**9),
    st.floats(0, 1e6),
)
def test_toml_reads_back_the_same(folder: str, steps: int, weight: float) -> None:
    config = replace(
        BASE, run=RunConfig(folder=Path(folder), steps=steps), loss=LossConfig(adversarial=weight)
    )
    assert from_dict(TrainConfig, tomllib.loads(as_toml(config)), "x") == config


@pytest.mark.parametrize(
    "data, match",
    [
        ({"data": {"shards": "x"}, "optimiser": {}}, "optimiser; did you mean optimizer"),
        ({"data": {"shards": "x"}, "run": {"stepz": 3}}, r"run\.stepz; did you mean run\.steps"),
        ({"data": {"shards": "x"}, "run": {"zzz": 3}}, r"unknown key run\.zzz; known: folder"),
        ({"data": {"shards": "x"}, "run": {"steps": "3"}}, "steps = '3' must be a whole number"),
        ({"data": {"shards": "x"}, "run": {"steps": 2.5}}, "must be a whole number"),
        ({"data": {"shards": "x"}, "run": {"steps": True}}, "must be a whole number"),
        ({"data": {"shards": "x"}, "run": {"precision": "half"}}, "one of auto, float32, bfloat16"),
        ({"data": {"shards": "x"}, "run": {"steps": 0}}, r"run\.steps = 0 must be at least 1"),
        ({"data": {"shards": "x"}, "run": 3}, "run = 3 must be a table"),
        ({"data": {"shards": "x", "crop": 0}}, r"data\.crop = 0 must be at least 1"),
        ({"data": {"shards": "x"}, "run": {"keep_every": 0}}, "keep_every = 0"),
        ({"data": {"shards": "x"}, "run": {"checkpoint_minutes": -1}}, "must be at least 0"),
        ({"data": {"shards": "x"}, "loss": {"adversarial": 0.0, "feature_matching": 0.0}},
         "one must be above 0"),
        ({"data": {"shards": "x"}, "discriminator": {"kind": "unet"}, "loss": {"adversarial": 0}},
         r"Of loss\.adversarial, loss\.perceptual one must be above 0"),
        ({"data": {"shards": "x"}, "generator": {"upsamplings": 10**20}}, "must be at most 12"),
        ({"data": {"shards": "x"}, "generator": {"base_channels": 10**400}}, "at most 4096"),
        ({"data": {"shards": "x"}, "discriminator": {"scales": 99}}, "scales = 99 must be at most"),
        ({"data": {"shards": "x"}, "run": {"steps": 10**400}}, "must be at most"),
        ({"data": {"shards": "x"}, "optimizer": {"beta1": 10**400}}, "must be a number"),
        ({"data": {"shards": "x\0"}}, r"data\.shards: 'x\\x00' is no path"),
        ({"data": {"shards": "x"}, "generator": {"entry": "linear"}}, "needs a grid_size"),
        ({"data": {"shards": "x"}, "generator": {"grid_size": 8}}, "entry grid takes none"),
        ({"data": {"shards": "x"}, "loss": {"perceptual": 1}}, "needs loss.perceptual_pretrained"),
        ({"data": {"shards": "x"}, "loss": {"class_weight_cap": 0.5}}, "must be at least 1"),
        ({"data": {"shards": "x"}, "loss": {"perceptual": 1, "perceptual_network": "f.pt",
                                            "perceptual_pretrained": "efficientnet-lite0"}},
         "each name a network"),
        ({"data": {"shards": "x"}, "discriminator": {"scales": 0, "pretrained": "none"}},
         "leaves nothing that judges"),
        ({"data": {"shards": "x"}, "discriminator": {"kind": "unet",
                                                     "pretrained": "efficientnet-lite0"}},
         "goes with kind patch, not unet"),
        ({"data": {"shards": "x"}, "discriminator": {"pretrained": "resnet"}}, "efficientnet"),
        ({"data": {"shards": "x"}, "run": {"updates": "both"}}, "simultaneous, alternating"),
        ({"data": {"shards": "x"}, "run": {"compile": True}, "loss": {"r1": 1}},
         r"loss\.r1 = 1\.0 differentiates the discriminator twice"),
        ({"data": {"shards": 3}}, r"data\.shards = 3 must be a path"),
        ({}, "f.toml: data is missing"),
        ({"data": {}}, r"data\.shards is missing"),
        ({"data": {"shards": "x"}, "optimizer": {"beta2": 1.0}}, r"\[0, 1\)"),
        ({"data": {"shards": "x"}, "optimizer": {"generator_lr": float("nan")}}, "lr = nan"),
    ],
)  # fmt: skip
def test_errors_name_file_field_and_remedy(data: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match) as error:
        from_dict(TrainConfig, data, "f.toml")
    assert "f.toml" in str(error.value)


def test_whole_numbers_do_for_floats_and_optional_fields_take_both() -> None:
    config = from_dict(
        TrainConfig, {"data": {"shards": "x", "crop": 64}, "loss": {"adversarial": 2}}, "f"
    )
    assert config.loss.adversarial == 2.0
    assert config.data.crop == 64
    assert "crop" not in as_plain(BASE)["data"]


def test_differing_fields_are_named_with_their_section() -> None:
    other = replace(BASE, loss=LossConfig(adversarial=2.0), data=replace(BASE.data, crop=64))
    assert differing_fields(BASE, other) == ["data.crop", "loss.adversarial"]
    assert differing_fields(BASE, BASE) == []


def test_resumable_changes_are_fields_that_exist() -> None:
    """A renamed field would otherwise become unresumable in silence."""
    known = {f"{section}.{name}" for section, values in vars(BASE).items() for name in vars(values)}
    assert known >= RESUMABLE_CHANGES


@pytest.mark.parametrize("name", ["a\x1b[31m", "tab\there", "two\nlines", '\x7f\r\\"', "κ"])
def test_odd_names_are_written_as_toml_has_them(name: str) -> None:
    config = from_dict(TrainConfig, {"data": {"shards": name}}, "x")
    assert from_dict(TrainConfig, tomllib.loads(as_toml(config)), "x") == config


def test_a_name_that_toml_cannot_hold_is_refused() -> None:
    config = from_dict(TrainConfig, {"data": {"shards": "Dr\udcfcse"}}, "x")
    with pytest.raises(ConfigError, match=r"xfcse' holds bytes that are no UTF-8"):
        as_toml(config)


def test_toml_files(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = [")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML"):
        load_toml(tmp_path / "bad.toml")
    with pytest.raises(InputError, match=r"none\.toml does not exist"):
        load_toml(tmp_path / "none.toml")
