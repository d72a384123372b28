"""A rank fails, dies, freezes or hangs: the others end, and one message says why."""

import sys
import time
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest
from launching import started_ranks
from torch import distributed

from hpc.errors import HistosynError
from hpc.run_state import FINISHED
from hpc.topology import Topology
from hpc.watchdog import Watchdog, _Declared, _Heartbeats

FAULTY_RANK = Path(__file__).parents[1] / "faulty_rank.py"


def outcome(fault, culprit=1, count=2):
    """(exit codes, all of stderr) of ranks of which one commits a fault."""
    command = [sys.executable, str(FAULTY_RANK), fault, str(culprit)]
    with started_ranks(count, command) as processes:
        survivors = [
            process
            for rank, process in enumerate(processes)
            if not (fault == "freeze" and rank == culprit)
        ]
        errors = "".join(process.communicate(timeout=120)[1] for process in survivors)
        return [process.returncode for process in survivors], errors


def test_an_error_of_one_rank_is_told_by_that_rank():
    codes, errors = outcome("error", count=3)
    assert errors.splitlines() == ["histosyn: shard-7 is damaged. Copy it again."]
    assert 0 not in codes


@pytest.mark.slow
def test_an_error_of_all_ranks_is_told_once():
    codes, errors = outcome("all")
    assert errors.splitlines() == ["histosyn: no shards here. Check the path."]
    assert 0 not in codes


@pytest.mark.slow
def test_a_bug_shows_one_traceback():
    codes, errors = outcome("bug")
    assert errors.count("Traceback") == 1
    assert "KeyError: 'a bug'" in errors
    assert "(rank 1 of 2, " in errors
    assert codes == [1, 1]


@pytest.mark.parametrize("culprit", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_killed_rank_is_told_by_another(culprit):
    """Rank 0 takes the store with it, about which torch's own library writes as well."""
    codes, errors = outcome("kill", culprit)
    assert sorted(codes) == [-9, 1]
    (line,) = [line for line in errors.splitlines() if line.startswith("histosyn: ")]
    assert "Traceback" not in errors
    told = "The store of the process group is gone" if culprit == 0 else "Rank 1 of 2 (process "
    assert line.startswith(f"histosyn: {told}")
    assert "Running the same command again goes on" in line


@pytest.mark.slow
def test_a_hanging_rank_ends_all_and_is_found():
    codes, errors = outcome("hang")
    (line,) = errors.splitlines()
    assert "No step was finished for 3 seconds" in line
    assert "rank 1 in commit (faulty_rank.py, line " in line
    assert codes == [1, 1]


def test_a_process_that_is_alone_does_not_hang_for_ever_either():
    codes, errors = outcome("hang", culprit=0, count=1)
    (line,) = errors.splitlines()
    assert line.startswith("histosyn: No step was finished for 3 seconds: commit (faulty_rank.py,")
    assert "ranks" not in line
    assert codes == [1]


def test_it_ends_though_nobody_reads_why():
    command = [sys.executable, str(FAULTY_RANK), "hang", "0"]
    with started_ranks(1, command) as (process,):
        process.stderr.close()
        assert process.wait(timeout=60) == 1


@pytest.mark.slow
def test_a_frozen_rank_does_not_hold_the_others():
    codes, errors = outcome("freeze", count=3)
    (line,) = errors.splitlines()
    assert "Rank 1 of 3 (process " in line
    assert "no heartbeat for 30 seconds" in line
    assert codes == [1, 1]


class SlowEvent(Event):
    """Leaves time for another thread between looking and setting."""

    def is_set(self):
        was_set = super().is_set()
        time.sleep(0.1)
        return was_set


def test_an_end_that_two_threads_learn_of_is_written_once():
    watchdog, written = Watchdog(Topology(), limit_seconds=60), []
    watchdog.on_end = written.append
    watchdog._known = SlowEvent()
    threads = [
        Thread(target=watchdog._learn, args=(_Declared(by=rank, of=rank, ending=FINISHED),))
        for rank in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [FINISHED]


@pytest.mark.parametrize("text", ["", "[1]", '{"by": "x"}', "[" * 100_000, "\0"])
def test_words_that_cannot_be_read_end_the_group_all_the_same(text):
    declared = _Declared.from_text(text)
    assert declared.ending.state == "failed" and declared.ending.exit_code == 1
    assert "What was said of the end is damaged" in declared.ending.reason


@pytest.mark.parametrize("text", ["", "[1]", '{"number": "x"}', '{"number": -1}', "\xff"])
def test_a_sign_that_cannot_be_read_is_none(text):
    store = distributed.HashStore()
    signs = _Heartbeats(store, Topology(rank=0, world_size=2))
    store.set("sign-1", text)
    assert [signs.missed(1) for _ in range(3)] == [0, 1, 2]
    assert signs.who(1) == "Rank 1 of 2"
    assert "nowhere" in signs.where_all_are()


def test_its_thread_ends_with_the_block():
    """What it holds is not to be dropped by a thread of its own while Python shuts down."""
    watchdog = Watchdog(Topology(), limit_seconds=60)
    with watchdog.watching(None):
        (thread,) = [thread for thread in enumerate_threads() if thread.name == "watchdog"]
    assert not thread.is_alive()


def test_an_interrupt_that_all_ranks_hear_is_left_to_the_first_to_tell():
    """Whichever rank leaves first: otherwise a first rank that leaves second has no last word."""

    class Store:
        def compare_set(self, key, expected, desired):
            return _Declared(by=1, of=1, ending=FINISHED).as_text().encode()

    first = Watchdog(Topology(rank=0, world_size=2), limit_seconds=60)
    first._store = Store()
    first._leave(KeyboardInterrupt())
    with pytest.raises(SystemExit):
        first._leave(HistosynError("no room"))
