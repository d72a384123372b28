"""What trials are going to be: written down once, and given when there is room."""

from dataclasses import replace

import pytest
from ray.tune.search import Searcher

from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Evaluation, Outcome, Seen, TrialFolder
from tune.search import suggestions
from tune.search.history import history
from tune.search.suggestions import Turns, settle
from tune.trials.stop import StopOfSweep


@pytest.fixture
def sweep(tmp_path):
    settings = {"validation": "v", "folder": str(tmp_path), "samples": 14, "sampler": "tpe",
                "grace_period": 4, "evaluate_every": 2, "max_concurrent": 2}  # fmt: skip
    train = {"data": {"shards": "t"}, "run": {"steps": 4}}
    search = {"loss.adversarial": {"uniform": [0, 1]}, "loss.feature_matching": {"uniform": [1, 9]}}
    return sweep_from_dict({"train": train, "search": search, "sweep": settings}, "F")


def end(sweep, number, distance, status="finished"):
    folder = TrialFolder(sweep.trial_folder(number))
    folder.add(Evaluation(step=4, images_seen=32, distance=distance))
    folder.conclude(Outcome(status=status))


def test_a_trial_is_settled_once(sweep):
    first = settle(sweep, 1)
    for number in range(2, 13):
        settle(sweep, number)
        end(sweep, number, float(number))

    assert first.origin == "random", "nothing was known"
    assert settle(sweep, 1) == first
    assert settle(sweep, 0).origin == "defaults"
    assert settle(sweep, 1, seed=5).repeats == 1


def test_a_model_learns_from_all_but_what_failed(sweep):
    pytest.importorskip("optuna")
    for number in range(12):
        settle(sweep, number)
        end(sweep, number, float(number), "failed" if number == 3 else "finished")
    settle(sweep, 12)

    found = settle(sweep, 13)

    assert found.origin == "tpe"
    assert Seen(trial=2, place=4, ending="finished") in found.learnt_from
    assert {each.trial for each in found.learnt_from} == {*range(13)} - {3}
    assert [each.number for each in history(sweep)] == [n for n in range(14) if n != 3]


def test_a_suggestion_that_contradicts_itself_is_drawn_instead(sweep, monkeypatch):
    for number in range(10):
        settle(sweep, number)
        end(sweep, number, float(number))
    bad = {"loss.adversarial": -1.0}
    monkeypatch.setattr(suggestions, "suggest", lambda *_, **__: bad)

    assert settle(sweep, 10) == sweep.drawn(10)


def test_trials_are_given_when_there_is_room(sweep, monkeypatch):
    sweep = replace(sweep, sweep=replace(sweep.sweep, sampler="random"))
    monkeypatch.setattr(suggestions, "room", lambda _: 2)
    turns = Turns(sweep, [(4, None), (5, None), (4, 7)], StopOfSweep(sweep.sweep.folder))

    assert turns.suggest("a") == {"number": 4, "seed": None}
    assert turns.suggest("b") == {"number": 5, "seed": None}
    assert turns.suggest("c") is None
    assert not sweep.trial_folder(4, 7).exists()
    turns.on_trial_complete("a")
    assert turns.suggest("c") == {"number": 4, "seed": 7}
    turns.on_trial_complete("c", error=True)
    assert turns.suggest("d") == Searcher.FINISHED


def test_a_sweep_that_was_asked_to_stop_gives_no_trials(sweep, monkeypatch):
    monkeypatch.setattr(suggestions, "room", lambda _: 2)
    turns = Turns(sweep, [(4, None), (5, None)], StopOfSweep(sweep.sweep.folder))
    sweep.sweep.folder.mkdir(exist_ok=True)
    (sweep.sweep.folder / "STOP").touch()

    assert turns.suggest("a") == Searcher.FINISHED
    assert not sweep.trial_folder(4).exists()
