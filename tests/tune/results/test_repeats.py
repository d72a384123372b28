"""The best and the defaults again: which, and what their difference says."""

from dataclasses import replace

import pytest

from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.results.repeats import numbers_of_repeats, repeated, repeats, to_repeat
from tune.results.rows import collect


@pytest.fixture
def sweep(tmp_path):
    settings = {"validation": "v", "folder": str(tmp_path), "samples": 3, "repeat_best": [1, 2, 3]}
    train = {"data": {"shards": "t"}, "run": {"steps": 1000}}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    return sweep_from_dict({"train": train, "search": search, "sweep": settings}, "F")


def end(sweep, number, distance, seed=None, status="finished"):
    folder = TrialFolder(sweep.trial_folder(number, seed))
    folder.path.mkdir(parents=True)
    values = {"distance": distance}
    folder.add(Evaluation(step=1000, images_seen=8000, distance=distance, values=values))
    folder.conclude(Outcome(status=status))


@pytest.fixture
def ended(sweep):
    for number, distance in enumerate([3.0, 1.0, 2.0]):
        end(sweep, number, distance)
    return sweep


def test_nothing_is_repeated_before_all_have_ended(sweep):
    assert to_repeat(sweep) == []
    end(sweep, 0, 1.0)
    assert to_repeat(sweep) == []


def test_the_best_and_the_defaults_with_each_seed_until_that_is_done(ended):
    assert to_repeat(ended) == [(1, 1), (0, 1), (1, 2), (0, 2), (1, 3), (0, 3)]

    end(ended, 1, 1.5, seed=1)
    end(ended, 0, 1.5, seed=1, status="diverged")
    assert to_repeat(ended) == [(1, 2), (0, 2), (1, 3), (0, 3)]
    assert to_repeat(replace(ended, sweep=replace(ended.sweep, repeat_best=()))) == []


def test_defaults_that_are_best_are_repeated_alone(sweep):
    for number, distance in enumerate([1.0, 2.0, 3.0]):
        end(sweep, number, distance)

    assert repeated(sweep, collect(sweep)) == [0]


def test_a_repetition_is_the_same_training_with_another_seed(ended):
    again = ended.candidate_of(ended.repeat(1, 7))
    trial = ended.candidate(1)

    assert again.training.run.seed == 7
    assert again.training.run.folder == ended.sweep.folder / "repeats" / "0001-seed-7"
    assert again.repeats == again.number == 1
    run = replace(again.training.run, seed=0, folder=trial.training.run.folder)
    assert replace(again.training, run=run) == trial.training


def test_the_difference_is_that_of_the_same_seeds(ended):
    """Those of the search, by which the best was chosen, do not count."""
    for seed, best, defaults in ((1, 1.5, 3.0), (2, 2.5, 3.0), (3, 2.0, 3.0)):
        end(ended, 1, best, seed)
        end(ended, 0, defaults, seed)

    best, defaults, difference = numbers_of_repeats(ended, repeats(ended, collect(ended)))

    assert (best.value, best.n, best.details["spread"]) == (2.0, 3, 0.5)
    assert (defaults.value, defaults.details["spread"]) == (3.0, 0.0)
    assert difference.name == "distance_of_best_less_defaults"
    assert difference.value == -1.0
    # t of 2 degrees of freedom at 97.5 %: 4.303; standard error 0.5 / sqrt(3).
    assert difference.interval == pytest.approx((-2.2421, 0.2421), abs=1e-4)
    assert difference.details["by_seed"] == {"1": -1.5, "2": -0.5, "3": -1.0}


def test_what_has_not_finished_has_a_reason(ended):
    end(ended, 1, 2.0, seed=1)

    best, defaults, difference = numbers_of_repeats(ended, repeats(ended, collect(ended)))

    assert (best.value, best.n, best.details["spread"]) == (2.0, 1, None)
    assert defaults.value is None and "no repetition" in defaults.reason
    assert difference.value is None and "no seed" in difference.reason
