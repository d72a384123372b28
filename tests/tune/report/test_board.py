"""How a sweep stands: who trains first, no more rows than fit, honest ends."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from sweep_records import made_up

from hpc.log import key_values
from tune.report.board import board, line_of, progress, seconds_left, standing
from tune.report.record import SweepRecord


@pytest.fixture
def record():
    """Trial 5 trains, 6 and 7 wait."""
    found = made_up(8, repeats=0, failing=False)
    trains = {"state": "running", "rank": None, "objective": None, "step": 1200,
              "process_seconds": 600.0, "seconds_left": 900.0}  # fmt: skip
    waits = {"state": "waiting", "rank": None, "objective": None, "step": 0, "measurements": (),
             "process_seconds": None}  # fmt: skip
    how = {5: trains, 6: waits, 7: waits}
    trials = tuple(replace(trial, **how.get(trial.number, {})) for trial in found.trials)
    return replace(found, trials=trials)


def shown(record, height=None):
    console = Console(width=200, record=True, file=StringIO())
    console.print(board(record, height))
    return console.export_text()


def rows(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()
            if line.startswith("│")]  # fmt: skip


def test_who_trains_stands_first_and_who_waits_last(record):
    found = rows(shown(record))

    assert found[0][:2] == ["5", "running"]
    assert found[1][0] == str(record.best.number)
    assert [row[:2] for row in found[-2:]] == [["6", "waiting"], ["7", "waiting"]]
    assert found[0][-1] == "0:15:00"
    assert any(row[0] == "0 (defaults)" for row in found)


def test_the_numbers_say_how_they_were_made(record):
    text = " ".join(shown(record).split())

    assert "5 of 8 trials ended, 1 training" in text
    assert "features of EfficientNet-Lite2 (ImageNet), seed 0, n = 48 tiles" in text
    assert f"Best so far: trial {record.best.number}." in text


def test_no_more_rows_than_fit(record):
    assert len(rows(shown(record, height=0))) == 6
    assert "and 3 more" in shown(record, height=0)


def test_what_is_left_counts_trials_that_wait(record):
    """At the mean pace of all, one at a time: two whole trials after the 900 seconds."""
    paces = [trial.process_seconds / trial.step for trial in record.trials if trial.process_seconds]
    expected = 900 + 2 * 3000 * sum(paces) / len(paces)

    assert seconds_left(record) == pytest.approx(expected)
    assert "at most" in progress(record)
    assert seconds_left(made_up(4)) is None


def test_a_line_of_a_log_is_key_and_value(record):
    line = key_values(line_of(record.trials[5]))
    pairs = dict(pair.split("=") for pair in line.split())

    assert pairs["trial"] == "5"
    assert (pairs["state"], pairs["step"], pairs["eta"]) == ("running", "1200/3000", "0:15:00")
    assert float(pairs["distance"]) == pytest.approx(
        record.trials[5].last.values["distance"], rel=1e-3
    )


def test_how_the_sweep_stands_is_a_line(record):
    stand = standing(record)

    assert (stand["ended"], stand["best"]) == ("5/8", str(record.best.number))
    assert stand["eta_seconds"] == seconds_left(record)


def test_repeats_are_called_as_their_folders():
    record = made_up(6)
    again = record.again(0)[0]

    assert line_of(again)["trial"] == "0-seed-1"
    assert "6 of 6 repeats" in progress(record)


def test_a_sweep_without_trials_has_a_table(record):
    empty = SweepRecord(name="s", best_file="b", measures=record.measures, settings=(), trials=())

    assert "No trial has ended yet." in shown(empty)
