from __future__ import annotations

from pathlib import Path

import pytest
from tissue import pack_blobs

from histosyn.config import TrainConfig
from histosyn.config_file import as_plain, from_dict
from histosyn.presets import PRESETS
from histosyn.training import run_training

DOCS = Path(__file__).parents[2] / "docs" / "presets.md"


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_says_only_what_differs_from_the_defaults(name: str) -> None:
    settings = PRESETS[name].settings
    defaults = as_plain(from_dict(TrainConfig, {"data": {"shards": "x"}}, "defaults"))
    from_dict(TrainConfig, {"data": {"shards": "x"}, **settings}, name)
    for section, values in settings.items():
        for field, value in values.items():
            assert defaults[section].get(field) != value, f"{section}.{field}"


def test_every_preset_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    assert all(f"`{name}`" in text for name in PRESETS)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_trains(name: str, tmp_path: Path) -> None:
    """With the layout of the preset, but few channels."""
    settings = {section: dict(values) for section, values in PRESETS[name].settings.items()}
    settings["generator"] |= {"base_channels": 2, "max_multiplier": 4, "label_channels": 4}
    settings["discriminator"] |= {"base_channels": 2}
    run = {"folder": str(tmp_path / "run"), "steps": 2, "recalibrate_batches": 1}
    settings["run"] = settings.get("run", {}) | run
    if "grid_size" in settings["generator"]:
        settings["generator"]["grid_size"] = 1
    shards = {"shards": str(pack_blobs(tmp_path)), "global_batch": 2, "workers": 0}
    config = from_dict(TrainConfig, {"data": shards, **settings}, name)
    assert (run_training(config) / "model.safetensors").is_file()
