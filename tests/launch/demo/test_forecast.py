"""The demo says how long it takes here, once, when that is known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hpc.errors import HistosynError
from hpc.log import RecordsFile
from launch.demo import running
from launch.demo.forecast import Forecast
from launch.demo.plan import Step


def report(step: int, eta_seconds: int) -> dict[str, object]:
    return {"step": step, "eta_seconds": eta_seconds, "precision": "float32"}


@pytest.fixture
def metrics(tmp_path: Path) -> RecordsFile:
    return RecordsFile(tmp_path / "metrics.jsonl")


def test_it_is_told_once_and_not_by_the_first_report(tmp_path: Path, metrics: RecordsFile) -> None:
    forecast = Forecast(tmp_path)
    assert forecast.news() is None
    metrics.append(report(10, 900))
    assert forecast.news() is None, "the start is in it"
    metrics.append(report(20, 170))
    news = forecast.news()
    assert news is not None
    assert "in float32: 3 minutes to go" in news
    metrics.append(report(30, 160))
    assert forecast.news() is None


def test_reports_of_an_earlier_start_do_not_count(tmp_path: Path, metrics: RecordsFile) -> None:
    """It was on another machine, perhaps."""
    for step in (10, 20):
        metrics.append(report(step, 900))
    forecast = Forecast(tmp_path)
    assert forecast.news() is None
    for step in (30, 40):
        metrics.append(report(step, 70))
    assert "70 seconds to go" in (forecast.news() or "")


WRITES_REPORTS = """
import json, sys, time
with open(sys.argv[1], "a") as file:
    for step in (10, 20):
        file.write(json.dumps({"step": step, "eta_seconds": 99, "precision": "bfloat16"}) + "\\n")
time.sleep(float(sys.argv[2]))
sys.exit(3)
"""


def test_a_step_that_runs_is_watched_and_its_failure_told(
    tmp_path: Path,
    metrics: RecordsFile,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(running, "_HISTOSYN", (sys.executable, "-c", WRITES_REPORTS))
    step = Step(title="a training", command=(str(metrics.path), "3"), makes=tmp_path / "model")
    with pytest.raises(HistosynError, match="demo: a training: .* Run the same command again"):
        running._run(step, Forecast(tmp_path))
    assert capfd.readouterr().out.count("in bfloat16: 99 seconds to go") == 1
