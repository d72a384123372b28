from __future__ import annotations

from pathlib import Path

import pytest

from histosyn.config import TrainConfig
from histosyn.config_file import as_plain, from_dict
from histosyn.presets import PRESETS

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
