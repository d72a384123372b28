"""What tables cost on a device comes from a file, which is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from histosyn.networks.table_costs import (
    VARIABLE,
    measured_costs,
    read_table_costs,
    tables_cost,
    usual_costs,
)
from hpc.errors import ConfigError, InputError

ENTRY = """
[[measured]]
device = "NVIDIA H200"
precision = "bfloat16"
multiplication = 0.8
addition = 20
layers = 24
deviation = 0.07
torch = "2.13.0"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "table_costs.toml"
    path.write_text(ENTRY)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_a_measured_device_has_its_own_costs(own: Path) -> None:
    found = measured_costs("NVIDIA H200", "bfloat16")
    assert found is not None
    assert found.costs == (0.8, 20.0)
    assert (found.layers, found.deviation) == (24, 0.07)
    assert measured_costs("NVIDIA H200", "float32") is None
    assert measured_costs("NVIDIA A100-SXM4-80GB", "bfloat16") is None


def test_what_was_measured_last_counts(own: Path) -> None:
    own.write_text(ENTRY + ENTRY.replace("0.8", "0.9"))
    found = measured_costs("NVIDIA H200", "bfloat16")
    assert found is not None
    assert found.multiplication == 0.9


def test_other_devices_are_reckoned_as_the_one_that_was_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert measured_costs("a processor that nobody has", "float32") is None
    assert usual_costs(half=False) == (1.6, 36.0)
    assert usual_costs(half=True) == (1.2, 54.0)
    assert tables_cost((0.25, 0.5), 128, (2.0, 64.0)) == 0.75


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (ENTRY.replace("addition = 20", "addition ="), "is not valid TOML"),
        (ENTRY.replace("addition = 20", 'addition = "much"'), "addition = 'much' must be a number"),
        (ENTRY.replace("addition = 20", "addition = nan"), "addition = nan must be a number that"),
        (ENTRY.replace("addition = 20", "addition = -1"), "addition = -1.0 must be a number that"),
        (ENTRY.replace("addition = 20", ""), "addition is missing"),
        (ENTRY.replace("addition", "additions"), "unknown key measured.additions; did you"),
        (ENTRY.replace("bfloat16", "float16"), "must be one of float32, bfloat16"),
        ("measured = 3", "measured = 3 must be a list, each a table"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_sound_is_refused_by_name(own: Path, text: str, what: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match=what) as refused:
        measured_costs("NVIDIA H200", "bfloat16")
    assert str(own) in str(refused.value)


def test_a_file_that_is_named_must_be_there(own: Path) -> None:
    own.unlink()
    with pytest.raises(InputError, match="does not exist"):
        measured_costs("NVIDIA H200", "bfloat16")
    with pytest.raises(InputError):
        read_table_costs(own)
