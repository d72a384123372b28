"""What is decided of trials is as if there had been no restart."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.trials.early_stopping import EarlyStopping
from tune.trials.stop import StopOfSweep

GO_ON, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


@pytest.fixture
def sweep(tmp_path):
    """Six trials of 9 steps; of those that have done 1 (3) steps one in three goes on."""
    settings = {"validation": "v", "folder": str(tmp_path), "samples": 6, "evaluate_every": 1,
                "grace_period": 1, "reduction_factor": 3}  # fmt: skip
    train = {"data": {"shards": "t"}, "run": {"steps": 9}}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    data = {"train": train, "search": search, "sweep": settings}
    # None of them is that of the defaults, which is never stopped.
    return replace(sweep_from_dict(data, "F"), earlier=True)


def trial(number):
    return SimpleNamespace(trial_id=f"id-{number}", config={"number": number})


def report(scheduler, number, step, distance):
    result = {"step": step, "images_seen": 8 * step, "distance": distance}
    return scheduler.on_trial_result(None, trial(number), result)


def folder_of(sweep, number):
    return TrialFolder(sweep.trial_folder(number))


def start(sweep, numbers=range(6)):
    scheduler = EarlyStopping(sweep, StopOfSweep(sweep.sweep.folder))
    for number in numbers:
        scheduler.on_trial_add(None, trial(number))
    return scheduler


def test_the_worse_ones_are_stopped_and_that_is_written_down(sweep):
    scheduler = start(sweep)

    decisions = [report(scheduler, number, 1, float(number)) for number in range(4)]

    assert decisions == [GO_ON, STOP, STOP, STOP]
    assert folder_of(sweep, 0).outcome() is None
    assert folder_of(sweep, 2).outcome() == Outcome(status="stopped")


def test_a_trial_that_has_done_all_its_steps_ends_by_itself(sweep):
    scheduler = start(sweep)
    report(scheduler, 0, 9, 1.0)

    assert report(scheduler, 1, 9, 2.0) == GO_ON
    assert folder_of(sweep, 1).outcome() is None


@pytest.mark.parametrize("ended", [True, False])
def test_after_a_restart_the_bar_is_where_it_was(sweep, ended):
    for number, distance in enumerate((1.0, 2.0, 3.0)):
        folder = folder_of(sweep, number)
        folder.path.mkdir(parents=True)
        folder.add(Evaluation(step=1, images_seen=8, distance=distance))
        if ended:
            folder.conclude(Outcome(status="stopped"))
    scheduler = start(sweep, range(3, 6) if ended else range(6))

    # A third of (1, 2, 3) is better than 1.67.
    assert report(scheduler, 3, 1, 1.7) == STOP
    assert report(scheduler, 4, 1, 1.1) == GO_ON


def test_decisions_after_a_restart_are_those_without_it(sweep):
    distances = {0: (5.0, 4.0, 3.0), 1: (6.0,), 2: (4.0, 5.0, 2.0), 3: (4.5, 4.1, 4.0)}
    scheduler = start(sweep)
    undisturbed = []
    for number, values in distances.items():
        folder_of(sweep, number).path.mkdir(parents=True)
        for step, distance in enumerate(values, 1):
            # As a trial does: first on the disk, then to Tune.
            undisturbed.append((number, step, report(scheduler, number, step, distance)))
    for number in distances:
        (sweep.trial_folder(number) / "outcome.json").unlink(missing_ok=True)

    disturbed = []
    for number, values in distances.items():
        for step, distance in enumerate(values, 1):
            again = start(sweep)
            disturbed.append((number, step, report(again, number, step, distance)))
            folder_of(sweep, number).add(
                Evaluation(step=step, images_seen=8 * step, distance=distance)
            )

    assert disturbed == undisturbed
    assert {decision for *_, decision in disturbed} == {GO_ON, STOP}


def measured(sweep, number, *distances):
    folder = folder_of(sweep, number)
    folder.path.mkdir(parents=True, exist_ok=True)
    for step, distance in enumerate(distances, 1):
        folder.add(Evaluation(step=step, images_seen=8 * step, distance=distance))
    return folder


def test_a_kill_before_the_decision_does_not_spare_a_trial(sweep):
    measured(sweep, 0, 1.0, 0.9).conclude(Outcome(status="finished"))
    measured(sweep, 1, 5.0)
    scheduler = start(sweep, [1])

    assert report(scheduler, 1, 1, 5.0) == STOP
    assert folder_of(sweep, 1).outcome() == Outcome(status="stopped")


def test_it_is_not_compared_with_itself(sweep):
    """Of (1, 3) and its own 1.6 a third is better than 1.4; of (1, 3) alone, than 1.67."""
    measured(sweep, 0, 1.0).conclude(Outcome(status="stopped"))
    measured(sweep, 1, 3.0).conclude(Outcome(status="stopped"))
    measured(sweep, 2, 1.6)

    assert report(start(sweep, [2]), 2, 1, 1.6) == GO_ON


@pytest.mark.parametrize("noted", [True, False])
def test_what_was_decided_is_not_decided_again(sweep, noted):
    """Whether that was noted, or is plain as another measurement came after."""
    folder = measured(sweep, 1, 5.0) if noted else measured(sweep, 1, 5.0, 5.0)
    if noted:
        folder.add_decision(1)
    measured(sweep, 0, 1.0).conclude(Outcome(status="stopped"))
    scheduler = start(sweep, [1])

    last = 1 if noted else 2
    assert report(scheduler, 1, last, 5.0) == GO_ON
    assert report(scheduler, 1, last, 5.0) == GO_ON


def test_that_a_trial_goes_on_is_written_down(sweep):
    measured(sweep, 0, 1.0)
    assert folder_of(sweep, 0).decided_step() == 0

    report(start(sweep), 0, 1, 1.0)

    assert folder_of(sweep, 0).decided_step() == 1
