"""A trial, without Ray around it: what it measures, and how it goes on and ends."""

import shutil
import time
from dataclasses import asdict, replace
from threading import Thread

import pytest
import ray.tune
from disks import resize, small_disk
from launching import wait_until
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_plain
from hpc.checkpoint import steps
from hpc.errors import FullDiskError
from hpc.locks import locked
from hpc.run_folder_names import CHECKPOINTS
from tune.measuring.evaluation import Evaluator
from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Outcome, TrialFolder
from tune.trials.trial import run_trial


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"), count=8, size=32)


@pytest.fixture
def reports(monkeypatch):
    """What Tune is told."""
    told = []
    monkeypatch.setattr(ray.tune, "report", told.append)
    return told


@pytest.fixture
def sweep(data, tmp_path):
    train = tiny_config(data, tmp_path / "unused", steps=4, checkpoint_every=2)
    return sweep_of(train, {"loss.feature_matching": {"uniform": [1, 20]}}, tmp_path)


def sweep_of(train, search, folder):
    settings = {"validation": str(train.data.shards), "folder": str(folder / "sweep"),
                "samples": 1, "evaluate_every": 2, "grace_period": 2}  # fmt: skip
    objective = {"distance": {"extractor": "random"}}
    data = {"train": as_plain(train), "search": search, "sweep": settings, "objective": objective}
    # Without the defaults, trial 0 has the values that are searched.
    return replace(sweep_from_dict(data, "F"), earlier=True)


def lines_of(folder):
    return (folder.path / "evaluations.jsonl").read_text().splitlines(keepends=True)


def test_a_trial_that_is_asked_to_stop_saves_and_goes_on_later(data, tmp_path, monkeypatch):
    """The file asks all trials: none of them takes it away."""
    train = tiny_config(data, tmp_path / "unused", steps=12, checkpoint_every=12)
    sweep = sweep_of(train, {"loss.feature_matching": {"uniform": [1, 20]}}, tmp_path)
    asked = sweep.sweep.folder / "STOP"
    told = []

    def report(measurement):
        told.append(measurement["step"])
        if told == [2]:
            asked.touch()
            time.sleep(1.5)

    monkeypatch.setattr(ray.tune, "report", report)
    run_trial({"number": 0}, sweep)

    folder = TrialFolder(sweep.trial_folder(0))
    (saved,) = steps(folder.path / CHECKPOINTS)
    assert folder.outcome() is None and asked.exists() and 2 < saved < 12
    run_trial({"number": 0}, sweep)
    assert list(steps(folder.path / CHECKPOINTS)) == [saved], "it does not begin"
    asked.unlink()
    run_trial({"number": 0}, sweep)
    assert folder.outcome() == Outcome(status="finished")
    assert told[-1] == 12 and sorted(set(told)) == [2, 4, 6, 8, 10, 12]


def test_a_full_disk_is_no_fault_of_the_trial(sweep, reports, tmp_path):
    with small_disk(sweep.sweep.folder, "64k"):
        with pytest.raises(
            FullDiskError, match="step-00000002 could not be written: .*Make room, and run"
        ):
            run_trial({"number": 0}, sweep)

        folder = TrialFolder(sweep.trial_folder(0))
        assert folder.outcome() is None
        resize(sweep.sweep.folder, "64m")
        run_trial({"number": 0}, sweep)
        assert folder.outcome() == Outcome(status="finished")


def test_a_trial_waits_for_the_process_that_had_it_before(sweep, reports, monkeypatch):
    """Its node may be lost to Ray alone. It does not wait for ever."""
    path = sweep.trial_folder(0)
    held = locked(path / "lock", busy="busy", risk="none")
    with held:
        monkeypatch.setattr("tune.trials.trial._LOCK_SECONDS", 0.5)
        run_trial({"number": 0}, sweep)
        assert "It has not ended for 0.5 seconds" in TrialFolder(path).outcome().reason
        monkeypatch.setattr("tune.trials.trial._LOCK_SECONDS", 100)
        waiting = Thread(target=run_trial, args=({"number": 0}, sweep))
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive() and not reports
    waiting.join()
    assert TrialFolder(path).outcome() == Outcome(status="finished")


def test_a_trial_measures_tells_and_concludes(sweep, reports):
    run_trial({"number": 0}, sweep)

    folder = TrialFolder(sweep.trial_folder(0))
    assert [report["step"] for report in reports] == [2, 4]
    assert [report["images_seen"] for report in reports] == [8, 16]
    assert [asdict(item) for item in folder.evaluations().values()] == reports
    assert folder.outcome() == Outcome(status="finished")
    assert (folder.path / "model").is_dir()


class Killed(BaseException):
    """Nothing handles it."""


def test_a_checkpoint_that_a_kill_left_unmeasured_is_measured(data, tmp_path, reports, monkeypatch):
    """As the undisturbed trial measures it, to the last digit: a model has the float32 of it."""
    train = tiny_config(data, tmp_path / "unused", steps=4, checkpoint_every=2, precision="float32")
    sweep = sweep_of(train, {"loss.feature_matching": {"uniform": [1, 20]}}, tmp_path)
    run_trial({"number": 0}, sweep)
    folder = TrialFolder(sweep.trial_folder(0))
    undisturbed = lines_of(folder)
    shutil.rmtree(folder.path)

    def killed(*_):
        # The checkpoint is written meanwhile.
        wait_until(lambda: steps(folder.path / CHECKPOINTS))
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Evaluator, "values", killed)
        run_trial({"number": 0}, sweep)
    assert [*steps(folder.path / CHECKPOINTS)] == [2]
    assert not folder.evaluations()

    run_trial({"number": 0}, sweep)

    assert lines_of(folder) == undisturbed


def test_a_finished_training_that_was_not_measured_is_measured_from_its_model(sweep, reports):
    run_trial({"number": 0}, sweep)
    folder = TrialFolder(sweep.trial_folder(0))
    (folder.path / "evaluations.jsonl").write_text(lines_of(folder)[0])
    (folder.path / "outcome.json").unlink()

    run_trial({"number": 0}, sweep)

    assert [report["step"] for report in reports] == [2, 4, 2, 4]
    assert reports[3]["distance"] == pytest.approx(reports[1]["distance"], rel=1e-2)
    assert folder.outcome() == Outcome(status="finished")


def test_what_was_measured_before_a_restart_is_told_again_but_not_measured(sweep, reports):
    run_trial({"number": 0}, sweep)
    folder = TrialFolder(sweep.trial_folder(0))
    for checkpoint in (folder.path / "checkpoints").glob("step-00000004"):
        checkpoint.rename(checkpoint.with_name("gone"))
    altered = lines_of(folder)[1].replace(f'"distance": {reports[1]["distance"]}', '"distance": 7')
    assert altered.count('"distance": 7') == 2, "alone, and among the values"
    (folder.path / "evaluations.jsonl").write_text(lines_of(folder)[0] + altered)

    run_trial({"number": 0}, sweep)

    # First the last one, for a decision that may be missing; then each step that is passed again.
    assert [report["step"] for report in reports] == [2, 4, 4, 4]
    assert reports[2]["distance"] == reports[3]["distance"] == 7
    assert len(lines_of(folder)) == 2


@pytest.mark.parametrize(
    ("search", "status", "reason"),
    [
        ({"optimizer.generator_lr": {"choice": [1e300]}}, "diverged", "no longer finite"),
        ({"data.crop": {"choice": [4096]}}, "failed", "data.crop = 4096 is larger"),
    ],
)
def test_bad_candidates_end_without_an_error(sweep, reports, tmp_path, search, status, reason):
    bad = sweep_of(sweep.train, search, tmp_path / "bad")

    run_trial({"number": 0}, bad)

    outcome = TrialFolder(bad.trial_folder(0)).outcome()
    assert outcome.status == status
    assert reason in outcome.reason
