"""What Tune tells of trials is told on, and heard."""

from types import SimpleNamespace

import pytest

from hpc.errors import LostNodesError
from tune.trials.stop import StopOfSweep
from tune.trials.trial_log import NothingToSave, TrialLog


class Nobody:
    """Watches, and says nothing."""

    def passing(self, turns):
        pass


@pytest.fixture
def stop(tmp_path):
    return StopOfSweep(tmp_path)


def trial(status, error_file=None):
    return SimpleNamespace(status=status, config={"number": 3, "seed": None}, error_file=error_file)


def broken_off(folder, *errors):
    """A trial that broke off so often, with what Tune notes of it."""
    path = folder / "error.txt"
    path.write_text("".join(f"Failure # {n} (now)\n{text}\n" for n, text in enumerate(errors, 1)))
    return trial("PENDING", str(path))


def test_a_sweep_without_room_says_so_once(told, stop):
    room, times = [True, False, False], iter(range(0, 1000, 20))
    log = TrialLog(Nobody(), stop, lambda: room.pop(0), now=lambda: next(times))

    log.on_step_end(1, [trial("RUNNING"), trial("PENDING")])
    log.on_step_end(2, [trial("TERMINATED")])
    assert len(room) == 3
    for step in range(3):
        log.on_step_end(step, [trial("PENDING")])

    assert told == ["no trial fits on the nodes that are left: the sweep waits for others."]


def test_nodes_may_come_back_but_not_too_late(told, stop):
    """A look every 20 seconds; two minutes without room are too much."""
    room, times = [False] * 6 + [True] + [False] * 7, iter(range(0, 1000, 20))
    log = TrialLog(Nobody(), stop, lambda: room.pop(0), now=lambda: next(times))

    for step in range(13):
        log.on_step_end(step, [trial("PENDING")])
    with pytest.raises(LostNodesError, match="For 120 seconds no trial has fitted") as caught:
        log.on_step_end(13, [trial("PENDING")])

    assert caught.value.exit_code == 75
    assert len(told) == 2, "once each time"


def test_a_sweep_ends_when_all_that_train_have_saved(stop, tmp_path):
    log = TrialLog(Nobody(), stop, lambda: True)
    over = NothingToSave(log, stop)
    log.on_step_end(1, [trial("RUNNING"), trial("PENDING")])
    assert not over.stop_all() and not over("id", {})
    (tmp_path / "STOP").touch()

    assert not over.stop_all()
    log.on_step_end(2, [trial("TERMINATED"), trial("PENDING")])
    assert over.stop_all()


TRACEBACK = """ray::ImplicitFunc.train() (pid=1, ip=127.0.0.1)
  File "trial.py", line 1, in work
KeyError: 'a'

The above exception was the direct cause of the following exception:

ray::ImplicitFunc.train() (pid=1, ip=127.0.0.1)
  File "trial.py", line 2, in work
"""


@pytest.mark.parametrize(
    ("errors", "why"),
    [
        ([f"{TRACEBACK}OSError: broken"], "OSError: broken"),
        (["The actor died: its node is gone."], "its process or its node was lost"),
        ([f"{TRACEBACK}OSError: broken", "The actor died."], "its process or its node was lost"),
        ([f"{TRACEBACK}hpc.errors.LostProcessError: Rank 1."], "LostProcessError: Rank 1."),
    ],
)
def test_a_trial_that_broke_off_has_a_line(told, stop, tmp_path, errors, why):
    log = TrialLog(Nobody(), stop, lambda: True)

    log.on_trial_recover(1, [], broken_off(tmp_path, *errors))

    assert told == [f"trial 3 broke off ({why}): it goes on from its last checkpoint."]
    assert stop.asked() is None


def test_a_full_disk_stops_the_sweep(told, stop, tmp_path):
    log = TrialLog(Nobody(), stop, lambda: True)

    for message in ("full. Make room.", "full, again"):
        error = f"{TRACEBACK}hpc.errors.FullDiskError: {message}"
        log.on_trial_recover(1, [], broken_off(tmp_path, error))
        log.on_trial_error(1, [], broken_off(tmp_path, error))

    assert stop.asked() is not None and str(stop.full_disk) == "full. Make room."
    assert not told
