"""A sweep's folder becomes a record that says of its trials what their files say."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from marks import is_marked
from sweep_folders import at_work, write_sweep
from sweep_records import made_up
from tissue import pack_blobs

from hpc.errors import InputError
from tune.plan.saved_sweep import read_saved
from tune.results.sweep_record import record_of, trial_of

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made():
    return made_up(16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made):
    folder = tmp_path_factory.mktemp("sweeps") / "made-up"
    write_sweep(folder, record=made)
    return folder


@pytest.fixture(scope="module")
def record(folder):
    return record_of(read_saved(folder), NOW, pictures=True)


def test_trials_are_as_they_were(record, made):
    for trial, was in zip(record.searched, made.searched, strict=True):
        assert trial.values == was.values
        assert (trial.state, trial.reason, trial.origin) == (was.state, was.reason, was.origin)
        assert trial.measurements == was.measurements
        assert (trial.rank, trial.step, trial.process_seconds) == (
            was.rank, was.step, was.process_seconds,
        )  # fmt: skip
    assert record.best.number == made.best.number
    assert record.default.number == 0


def test_repeats_are_those_of_the_best_and_the_defaults(record, made):
    for number in (0, made.best.number):
        assert [one.seed for one in record.again(number)] == [1, 2, 3]
        assert record.again(number)[1].measurements == made.again(number)[1].measurements


def test_settings_and_the_measure_are_told(record):
    rate, weight, _, average = record.settings

    assert (rate.low, rate.high, rate.logarithmic) == (1e-5, 1e-2, True)
    assert (weight.low, weight.high, weight.logarithmic) == (0, 20, False)
    assert average.choices == (0.99, 0.999, 0.9999)
    (measure,) = record.measures
    assert measure.how == "features of efficientnet-lite2 (sha256 abababababab)"
    assert (measure.n, measure.yardstick) == (48, (0.9, "real tiles to each other"))
    assert record.limits == ("The extractor is a sibling of the network that trained.",)
    told = dict(record.provenance["Sweep"])
    assert told["validation tiles"].startswith("48 tiles, groups 7, sha256 of tiles cdcd")


def test_tissue_of_both_is_of_the_last_step_in_common_and_marked(record, made):
    assert [one.trial for one in record.tissue] == [made.best.number, 0]
    assert {(one.step, one.images_seen) for one in record.tissue} == {(1000, 8000)}
    assert all(is_marked(one.picture) for one in record.tissue)


def test_a_sweep_that_runs_says_who_trains_and_how_long_yet(tmp_path, made):
    sweep = write_sweep(tmp_path, ended=False, tissue=False, record=at_work(made))
    record = record_of(sweep, NOW)
    trial = next(one for one in record.trials if one.number == 5)
    pace = trial.process_seconds / 1200

    assert trial.state == "running"
    assert trial.seconds_left == pytest.approx(pace * 1800 - 60)
    assert record.counted("waiting") == 2
    assert record.measures[0].n == 48
    assert trial_of(sweep, 5, None, NOW) == trial
    silent = record_of(sweep, NOW + timedelta(hours=1))
    assert next(one for one in silent.trials if one.number == 5).state == "unfinished"


def test_a_damaged_result_is_a_notice(tmp_path, made):
    sweep = write_sweep(tmp_path, tissue=False, record=made)
    (tmp_path / "trials.json").write_text("{")

    assert "trials.json is damaged" in record_of(sweep, NOW).notices[0]


def test_a_folder_that_was_moved_is_read_where_it_lies(folder, tmp_path):
    moved = tmp_path / "moved"
    folder.rename(moved)
    try:
        assert record_of(read_saved(moved), NOW).best is not None
    finally:
        moved.rename(folder)


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no sweep: there is no sweep.json"):
        read_saved(tmp_path)


def test_several_measures_have_a_rank(folder, tmp_path):
    saved = json.loads((folder / "sweep.json").read_text())
    c2st = {"features": "texture", "scale": 2}
    saved["objective"] = {"distance": saved["objective"]["distance"], "c2st": c2st}
    sweep = write_sweep(tmp_path, tissue=False, record=_with_areas(made_up(6, repeats=0)), count=6)
    saved["sweep"] |= {"folder": str(tmp_path), "samples": 6}
    (tmp_path / "sweep.json").write_text(json.dumps(saved))
    record = record_of(read_saved(sweep.sweep.folder), NOW)

    assert [one.how for one in record.measures][1] == "texture features, scale 1/2"
    assert record.objective_words == "weighted rank"
    assert 0 <= record.best.objective <= 1


def _with_areas(record):
    trials = tuple(
        replace(trial, measurements=tuple(
            replace(each, values=each.values | {"c2st": 0.5 + each.values["distance"] / 100})
            for each in trial.measurements))
        for trial in record.trials
    )  # fmt: skip
    return replace(record, trials=trials)


def test_tiles_are_counted_in_the_shards_before_there_is_a_result(tmp_path):
    shards = pack_blobs(tmp_path / "data", count=6, size=32)
    sweep = write_sweep(tmp_path / "sweep", 5, ended=False, tissue=False)
    settings = replace(sweep.sweep, validation=shards)

    assert record_of(replace(sweep, sweep=settings), NOW).measures[0].n == 6
