"""Importance: what matters stands out, what does nothing does not, and few trials have none."""

import math
from dataclasses import replace

import pytest
from sweep_records import DISTANCE, made_up

from tune.report.importance import importances_of


@pytest.fixture(scope="module")
def found():
    return importances_of(made_up(32, noise=0.1))


def test_the_learning_rate_matters_most_and_the_average_not(found):
    numbers = dict(found.settings)

    assert next(iter(numbers)) == "optimizer.generator_lr"
    assert numbers["optimizer.generator_lr"].interval[0] > 0
    low, high = numbers["run.ema_decay"].interval
    assert low < 0 < high
    assert found.skill.value > 0.3


def test_a_number_says_of_what_it_is(found):
    number = found.settings[0][1]

    assert number.n == found.n == 32
    assert found.images_seen == 8000
    assert "8,000 images seen" in number.method
    assert "Nadeau & Bengio" in number.interval_method
    assert found.diverged == 1


def test_the_same_sweep_has_the_same_importances(found):
    assert importances_of(made_up(32, noise=0.1)) == found


def test_few_trials_have_no_importance_but_a_reason():
    told = importances_of(made_up(9, failing=False))

    assert told.startswith("9 trials were measured at 8,000 images seen. With fewer than 10")
    assert "for 4 settings" in told


def test_trials_without_a_measurement_in_common_have_none():
    record = made_up(12)

    assert "No number of images seen" in importances_of(replace(record, trials=()))


def test_equal_trials_have_none():
    record = made_up(12, failing=False, stopping=False)
    alike = tuple(
        replace(trial, measurements=tuple(replace(each, values={"distance": 1.0})
                                          for each in trial.measurements))
        for trial in record.trials
    )  # fmt: skip

    assert importances_of(replace(record, trials=alike)) == "All trials rank alike."


def test_settings_that_not_all_trials_have_and_values_that_are_no_numbers_are_taken():
    record = made_up(12, failing=False)
    trials = tuple(
        replace(trial, values={name: value for name, value in trial.values.items()
                               if trial.number % 3 or name != "loss.perceptual"})
        for trial in record.trials
    )  # fmt: skip
    first = trials[0].measurements[0]
    lost = replace(first, values={"distance": math.nan})
    trials = (replace(trials[0], measurements=(lost, *trials[0].measurements[1:])), *trials[1:])
    several = (DISTANCE, replace(DISTANCE, weight=2.0))
    found = importances_of(replace(record, trials=trials, measures=several))

    assert found.n == 12
