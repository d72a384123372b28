"""Hours: what was spent, and what ending early saved."""

from dataclasses import replace

import pytest
from sweep_records import RUNGS, made_up

from tune.report.hours import costs_of, unit_of


def test_remaining_steps_are_reckoned_at_the_trials_own_pace():
    record = made_up(8, repeats=0, failing=False)
    stopped = next(cost for cost in costs_of(record) if cost.trial.state == "stopped")
    share = stopped.trial.step / RUNGS[-1]

    assert stopped.spent == stopped.trial.process_seconds / 3600
    assert stopped.saved == pytest.approx(stopped.spent * (1 - share) / share)


def test_what_finished_or_failed_saved_nothing():
    record = made_up(8, repeats=0)
    failed = tuple(replace(trial, state="failed", step=trial.step // 2) for trial in record.trials)

    assert all(cost.saved == 0 for cost in costs_of(record) if cost.trial.state == "finished")
    assert all(cost.saved == 0 for cost in costs_of(replace(record, trials=failed)))
    assert sum(cost.saved for cost in costs_of(record)) > 0


def test_trials_of_unknown_time_are_left_out():
    record = made_up(4, repeats=0)
    first = replace(record.trials[0], process_seconds=None)

    assert len(costs_of(replace(record, trials=(first, *record.trials[1:])))) == 3
    assert unit_of(record) == "process-hours"
    assert unit_of(replace(record, device="cuda")) == "GPU-hours"
