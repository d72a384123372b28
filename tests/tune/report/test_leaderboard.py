"""The leaderboard: best first, and no number alone."""

import csv
import io

import pytest
from sweep_records import DISTANCE, made_up

from tune.report.leaderboard import leaderboard_csv


@pytest.fixture(scope="module")
def record():
    return made_up(8)


@pytest.fixture(scope="module")
def rows(record):
    return list(csv.DictReader(io.StringIO(leaderboard_csv(record))))


def test_ranked_trials_come_first_and_repeats_last(record, rows):
    searched = [row for row in rows if not row["repeats"]]
    ranked = [(-int(row["step"]), float(row["objective"])) for row in searched if row["rank"]]

    assert ranked == sorted(ranked)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "6", "7", *[""] * 7]
    assert searched[-1]["state"] == "diverged"
    assert searched[-1]["reason"] == "loss/generator is not finite at step 731."
    assert {row["repeats"] for row in rows[8:]} == {str(record.best.number), "0"}


def test_a_row_says_how_it_was_measured(record, rows):
    best = rows[0]

    assert float(best["distance"]) == record.best.objective
    assert (best["distance_by"], best["distance_tiles"]) == (DISTANCE.how, "48")
    assert (best["images_seen"], best["seed"]) == ("24000", "0")
    for name, value in record.best.values.items():
        assert float(best[name]) == value
