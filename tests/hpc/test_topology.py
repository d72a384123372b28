"""Where am I: what torchrun says, what SLURM says, and what does not add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.errors import InputError
from hpc.topology import Rendezvous, Topology, detect, places_on, rank_variables, rendezvous

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
# As srun 22.05 sets them for one of two tasks.
SRUN = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}


def test_a_process_started_alone_is_the_only_one():
    assert detect({}) == Topology(rank=0, world_size=1, local_rank=0, local_world_size=1)
    assert detect({}).is_first


def test_torchrun_is_believed():
    topology = detect(TORCHRUN)

    assert topology == Topology(rank=5, world_size=8, local_rank=1, local_world_size=4)
    assert not topology.is_first


def test_torchrun_under_srun_is_believed():
    assert detect(SRUN | TORCHRUN) == detect(TORCHRUN)


def test_the_process_environment_is_the_default(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)

    assert detect() == detect(TORCHRUN)


def test_tasks_of_srun_without_torchrun_would_work_alone():
    with pytest.raises(InputError, match=r"srun started 2 tasks.*HINT.*--ntasks-per-node=1"):
        detect(SRUN)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, id="a single task"),
        pytest.param({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, id="the batch script"),
        pytest.param({"SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, id="a shell of salloc"),
    ],
)
def test_inside_a_job_but_alone(environment):
    assert detect(environment) == Topology()


@pytest.mark.parametrize("missing", TORCHRUN)
def test_incomplete_variables(missing):
    environment = {name: value for name, value in TORCHRUN.items() if name != missing}

    with pytest.raises(InputError, match=f"^{missing} not set.*HINT"):
        detect(environment)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"RANK": "8"}, r"^RANK=8 must lie in 0\.\.7"),
        ({"RANK": "-1"}, r"^RANK=-1 must lie in 0\.\.7"),
        ({"LOCAL_RANK": "4"}, r"^LOCAL_RANK=4 must lie in 0\.\.3"),
        ({"RANK": ""}, r"^RANK='' is no number.*HINT"),
        ({"WORLD_SIZE": "two"}, r"^WORLD_SIZE='two' is no number"),
    ],
)
def test_contradicting_variables(change, message):
    with pytest.raises(InputError, match=message):
        detect(TORCHRUN | change)


@given(st.integers(1, 40), st.integers(0, 40))
def test_shares_are_even_and_cover_everything_in_order(world_size, each):
    shares = [
        Topology(rank=rank, world_size=world_size).share(world_size * each)
        for rank in range(world_size)
    ]

    assert [item for share in shares for item in share] == list(range(world_size * each))
    assert {len(share) for share in shares} == {each}


@given(st.integers(2, 40), st.integers(0, 40), st.data())
def test_what_cannot_be_shared_evenly_is_refused(world_size, each, data):
    total = world_size * each + data.draw(st.integers(1, world_size - 1))

    with pytest.raises(InputError, match=f"{total} items .* {world_size} processes"):
        Topology(world_size=world_size).share(total)


def test_ranks_of_a_node_are_numbered_among_themselves():
    places = places_on(["a", "b", "a", "a"])

    assert [each.rank for each in places] == [0, 1, 2, 3]
    assert [each.local_rank for each in places] == [0, 0, 1, 2]
    assert [each.local_world_size for each in places] == [3, 1, 3, 3]
    assert {each.world_size for each in places} == {4}


def test_what_a_rank_is_told_is_what_it_reads():
    meeting = Rendezvous(host="10.0.0.7", port=2345, kept_by_first=True, listening=9)

    for place in places_on(["a", "a", "b"]):
        told = rank_variables(place, meeting)
        assert detect(told) == place
        assert rendezvous(told) == meeting
