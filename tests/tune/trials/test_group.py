"""Trials of several processes, under a real Ray: they learn what one learns, and may be killed."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest
import ray.tune
from sweeping import Sweeps, evaluations, rank_processes, trials, wait_for

from hpc.run_state import read_state
from tune.plan.config import read_sweep
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.trials.trial import run_trial

pytestmark = pytest.mark.slow

TWO = "processes_per_trial = 2\nmax_concurrent = 1"
# In float32 the rounding of sums in another order shows in the third digit (see
# test_submit_slurm.py).
FLOAT64 = '[train.run]\nprecision = "float64"\nrecalibrate_batches = 2'
# What rounding sums in another order does grows with the steps, also in float64: by the 40th it is
# 1e-11 of a loss, by the 55th 1e-4.
STEPS = 40
LONG = {"samples": 1, "steps": STEPS, "evaluate_every": 8, "grace_period": STEPS}


def write(sweeps, **settings):
    sweeps.write(**{"more": TWO} | settings)
    sweeps.file.write_text(sweeps.file.read_text().replace("[train.run]", FLOAT64))
    return read_sweep(sweeps.file)


def losses(sweep):
    lines = (sweep.trial_folder(0) / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in record.items() if name == "step" or "loss/" in name}
        for record in map(json.loads, lines)
    ]


def others(sweep, driver):
    """The ranks of trial 0 that are not the first."""
    state = read_state(sweep.trial_folder(0))
    return [] if state is None else [each for each in rank_processes(driver) if each != state.pid]


def kill(process, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


@pytest.fixture
def undisturbed(sweeps, data, tmp_path_factory):
    """The same sweep, its trials in this process, one by one."""

    def run(monkeypatch, **settings):
        alone = Sweeps([], data, tmp_path_factory.mktemp("alone"), "")
        sweep = write(alone, **settings | {"more": ""})
        monkeypatch.setattr(ray.tune, "report", lambda metrics: None)
        run_trial({"number": 0}, sweep)
        return sweep

    return run


def test_killed_ranks_and_a_killed_sweep_learn_what_one_process_learns(
    sweeps, undisturbed, monkeypatch
):
    """Rank 1 first, in mid-trial; then the whole sweep, of which nothing stays behind."""
    sweep = write(sweeps, **LONG)

    process = sweeps.start()
    wait_for(lambda: len(evaluations(sweep, 0)) >= 1 and others(sweep, process), process)
    (lost,) = others(sweep, process)
    before = read_state(sweep.trial_folder(0)).pid
    kill(lost)
    wait_for(lambda: read_state(sweep.trial_folder(0)).pid != before, process)
    known = len(evaluations(sweep, 0))
    wait_for(lambda: len(evaluations(sweep, 0)) > known, process)
    ranks = rank_processes(process)
    process.kill()
    process.communicate()
    assert len(ranks) == 2
    wait_until_gone(ranks)
    result = sweeps.succeed()

    alone = undisturbed(monkeypatch, **LONG)
    found, expected = losses(sweep), losses(alone)
    assert [record["step"] for record in found] == [*range(1, STEPS + 1)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8)
    measured, by_one = ([each["values"] for each in evaluations(it, 0)] for it in (sweep, alone))
    assert len(measured) == 5
    for ours, theirs in zip(measured, by_one, strict=True):
        # Tiles are judged in bytes: where weights differ in the last digits, a pixel may be rounded
        # to the next shade.
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert read_state(sweep.trial_folder(0)).world_size == 2
    assert [row["status"] for row in trials(sweep)] == ["finished"]
    assert "best.toml" in result.stdout


def wait_until_gone(processes, seconds=60):
    deadline = time.monotonic() + seconds
    while any(is_there(each) for each in processes):
        assert time.monotonic() < deadline, "a rank stayed behind"
        time.sleep(0.1)


def is_there(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_trial_that_dies_thrice_has_a_reason_and_one_that_is_stopped_leaves_nothing(sweeps):
    """Trial 1 was made by hand, and is better than any: trial 2 is stopped as soon as it may be."""
    sweep = write(sweeps, samples=3, steps=4000, evaluate_every=4, grace_period=4)
    made = TrialFolder(sweep.trial_folder(1))
    made.suggest(sweep.suggestion(1))
    made.add(Evaluation(step=4, images_seen=8, distance=0.0, values={"distance": 0.0}))
    made.add(Evaluation(step=4000, images_seen=8000, distance=0.0, values={"distance": 0.0}))
    made.conclude(Outcome(status="finished"))

    process = sweeps.start()
    next_one = sweep.trial_folder(2)
    wait_for(lambda: others(sweep, process), process)
    while not next_one.exists():
        assert process.poll() is None, process.communicate()
        for each in others(sweep, process):
            kill(each)
        time.sleep(0.2)
    wait_for(lambda: (next_one / "state.json").exists(), process)
    # One of trial 0 may not have been cleared away yet.
    ranks = rank_processes(process)
    wait_for(lambda: (next_one / "outcome.json").exists(), process)
    assert len(ranks) >= 2
    wait_until_gone(ranks)
    _, told = process.communicate(timeout=200)

    assert process.returncode == 1
    rows = {row["number"]: row for row in trials(sweep)}
    assert [rows[number]["status"] for number in range(3)] == ["failed", "finished", "stopped"]
    assert "of 2" in rows[0]["reason"] and "was killed" in rows[0]["reason"]
    assert "Traceback" not in told


def test_a_frozen_rank_is_noticed(sweeps):
    """Ray does not see that it does nothing; the other ranks do."""
    sweep = write(sweeps, **LONG)

    process = sweeps.start()
    wait_for(lambda: len(evaluations(sweep, 0)) >= 1 and others(sweep, process), process)
    (frozen,) = others(sweep, process)
    kill(frozen, signal.SIGSTOP)
    _, told = process.communicate(timeout=400)

    assert process.returncode == 0, told
    assert [row["status"] for row in trials(sweep)] == ["finished"]
    assert not is_there(frozen)


def test_one_that_diverges_says_so(sweeps):
    """Whichever rank it is that has the word."""
    more = f"{TWO}\n[train.optimizer]\ngenerator_lr = 1e300"
    sweep = write(sweeps, samples=1, more=more)

    result = sweeps.run()

    assert result.returncode == 1, result.stderr
    (row,) = trials(sweep)
    assert row["status"] == "diverged"
    assert "no longer finite" in row["reason"]
    assert read_state(sweep.trial_folder(0)).state == "failed"


def test_one_that_is_asked_to_stop_saves(sweeps):
    sweep = write(sweeps, **LONG)

    process = sweeps.start()
    wait_for(lambda: evaluations(sweep, 0), process)
    (sweep.sweep.folder / "STOP").touch()
    process.communicate(timeout=400)

    state = read_state(sweep.trial_folder(0))
    assert (state.state, state.world_size) == ("stopped", 2)
    assert state.last_checkpoint == state.step < STEPS
    assert TrialFolder(sweep.trial_folder(0)).outcome() is None


def test_more_processes_than_there_is_room_for_are_refused(sweeps):
    sweeps.write(more="processes_per_trial = 2\ncpus_per_trial = 8192")

    result = sweeps.run()

    assert result.returncode == 2
    told = " ".join(result.stderr.split())
    assert "A trial asks for 2 processes with 4096 CPUs and 0 GPUs each, and the nodes" in told
    assert not any(sweeps.folder.glob("sweep/trials/*"))
