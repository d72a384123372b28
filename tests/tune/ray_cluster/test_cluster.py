"""Whether a trial fits: at once on one's own machine, while nodes join on a job's."""

from pathlib import Path

import pytest

from hpc.errors import InputError
from tune.plan.settings import SweepConfig
from tune.ray_cluster import cluster
from tune.ray_cluster.environment import ADDRESS

TWO = SweepConfig(validation=Path("val"), processes_per_trial=2)
NODE = {"CPU": 1.0}


@pytest.fixture
def nodes(monkeypatch):
    """The nodes that are there; each second another one joins."""
    there = [NODE]
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
        there.append(NODE)

    monkeypatch.setattr(cluster, "_nodes", lambda: list(there))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(cluster.time, "sleep", sleep)
    return there


def test_nodes_of_a_job_may_still_be_joining(nodes, monkeypatch):
    monkeypatch.setenv(ADDRESS, "127.0.0.1:6379")
    cluster._require_room(TWO)
    assert len(nodes) == 2


def test_nobody_joins_a_machine_of_ones_own(nodes, monkeypatch):
    monkeypatch.delenv(ADDRESS, raising=False)
    with pytest.raises(InputError, match=r"2 processes with 1 CPUs .* no room for them \(1 CPUs"):
        cluster._require_room(TWO)
    assert len(nodes) == 1


def test_a_trial_that_no_node_is_large_enough_for_is_told_after_a_minute(nodes, monkeypatch):
    monkeypatch.setenv(ADDRESS, "127.0.0.1:6379")
    large = SweepConfig(validation=Path("val"), cpus_per_trial=8)
    with pytest.raises(InputError, match=r"asks for 8 CPUs .* no node has both"):
        cluster._require_room(large)
    assert len(nodes) == 61
