"""What every evaluation writes."""

import json
import math

import pytest

from eval.statistics.result import SCHEMA_VERSION, Number, Result


def result(value):
    number = Number(name="kappa", value=value, n=3, method="by hand")
    return Result(kind="trial", inputs={"file": "a.csv"}, settings={"seed": 0}, numbers=(number,))


def test_a_file_says_its_layout_and_what_made_it(tmp_path):
    result(0.5).save(tmp_path / "trial.json")
    saved = json.loads((tmp_path / "trial.json").read_text())
    assert saved["schema_version"] == SCHEMA_VERSION
    assert saved["kind"] == "trial"
    assert {"python", "numpy", "torch"} <= set(saved["versions"])
    assert saved["numbers"][0]["value"] == 0.5


def test_what_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        result(math.nan).save(tmp_path / "trial.json")
    assert not list(tmp_path.iterdir())
