"""A sweep is asked to stop: by a file, by a signal, by a full disk."""

import errno
import os
import signal

import pytest

from hpc.errors import FullDiskError
from hpc.preemption import Stopped
from tune.trials.stop import (
    StopOfSweep,
    StopOfTrial,
    require_not_asked,
    telling_of_a_full_disk,
)


def test_a_file_asks_once_and_goes_with_the_block(tmp_path, told):
    with StopOfSweep(tmp_path) as stop:
        assert stop.asked() is None
        require_not_asked(tmp_path)
        (tmp_path / "STOP").touch()

        assert stop.asked().next == "resume"
        assert stop.asked().text == "the file STOP"
        with pytest.raises(Stopped):
            require_not_asked(tmp_path)

    assert told == ["asked to stop (the file STOP): trials save and end, no other one begins"]
    assert not (tmp_path / "STOP").exists()


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_asks_trials_on_all_nodes(tmp_path, number):
    before = signal.getsignal(number)
    with StopOfSweep(tmp_path) as stop:
        os.kill(os.getpid(), number)

        assert stop.asked().text == number.name and stop.asked().next == "requeue"
        assert (tmp_path / "STOP").exists()

    assert signal.getsignal(number) is before


def test_what_a_killed_process_was_asked_is_past(tmp_path):
    with StopOfSweep(tmp_path):
        os.kill(os.getpid(), signal.SIGUSR2)
        left = (tmp_path / "STOP").read_bytes()
    (tmp_path / "STOP").write_bytes(left)

    with StopOfSweep(tmp_path) as stop:
        assert stop.asked() is None


def test_nobody_asked(tmp_path):
    with StopOfSweep(tmp_path):
        pass

    assert not list(tmp_path.iterdir())


def test_a_trial_leaves_the_file_to_others(tmp_path):
    (tmp_path / "STOP").touch()
    with StopOfTrial(tmp_path, seconds_before_end=0) as stop:
        stop.acknowledge(StopOfSweep(tmp_path).asked())

    assert (tmp_path / "STOP").exists()


def test_a_full_disk_stops_the_sweep_and_is_told_at_its_end(tmp_path):
    with StopOfSweep(tmp_path) as stop:
        with stop.at_a_full_disk():
            raise OSError(errno.ENOSPC, "No space left on device", "a file")

        assert stop.asked() is not None and (tmp_path / "STOP").exists()
        assert "a file could not be written: No space left on device." in str(stop.full_disk)
        with pytest.raises(ZeroDivisionError), stop.at_a_full_disk():
            raise ZeroDivisionError


def test_other_errors_of_the_system_are_theirs(tmp_path):
    with pytest.raises(FullDiskError, match="Make room"), telling_of_a_full_disk(tmp_path):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    with pytest.raises(PermissionError), telling_of_a_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
