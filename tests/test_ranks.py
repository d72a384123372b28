"""The helper that starts ranks: results in order, failures told, nobody waits for the dead."""

import os

import pytest
from ranks import run_ranks

from hpc import collectives
from hpc.topology import detect


def place(greeting):
    topology = detect()
    return greeting, topology.rank, topology.world_size, collectives.world_size()


def fail_on_last_rank():
    if collectives.rank() == collectives.world_size() - 1:
        raise ValueError("the last rank has a problem")
    collectives.barrier()


def die():
    os.kill(os.getpid(), 9)


def test_results_come_in_the_order_of_ranks():
    assert run_ranks(2, place, "hello") == [("hello", 0, 2, 2), ("hello", 1, 2, 2)]


def test_ranks_can_join_by_themselves():
    assert run_ranks(2, place, "hello", joined=False) == [("hello", 0, 2, 1), ("hello", 1, 2, 1)]


def test_one_rank_alone():
    assert run_ranks(1, place, "hello") == [("hello", 0, 1, 1)]


def test_a_failure_is_told():
    with pytest.raises(AssertionError, match="ValueError: the last rank has a problem"):
        run_ranks(2, fail_on_last_rank)


def test_a_killed_rank_is_told():
    with pytest.raises(AssertionError, match="exit code -9"):
        run_ranks(1, die)
