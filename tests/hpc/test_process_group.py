"""Devices and groups: too few GPUs are told, a group ends with its block."""

import pytest
import torch
from ranks import run_ranks
from torch import distributed

from hpc.errors import InputError
from hpc.process_group import device_of, process_group
from hpc.topology import Topology, detect

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch):
    """Pretends that this machine has so many."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


def test_auto_takes_the_cpu_where_there_is_no_gpu(gpus):
    gpus(0)
    assert device_of(Topology()) == CPU


def test_each_process_gets_a_gpu_of_its_own(gpus):
    gpus(4)
    topology = Topology(rank=7, world_size=8, local_rank=3, local_world_size=4)

    assert device_of(topology) == torch.device("cuda", 3)
    assert device_of(topology, "cuda") == torch.device("cuda", 3)


def test_the_cpu_can_be_asked_for(gpus):
    gpus(4)
    assert device_of(Topology(), "cpu") == CPU


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_more_processes_than_gpus(gpus, wanted):
    gpus(2)
    topology = Topology(rank=2, world_size=4, local_rank=2, local_world_size=4)

    with pytest.raises(
        InputError, match=r"4 processes of this node need a GPU each: there are 2\."
    ):
        device_of(topology, wanted)


def test_a_gpu_that_is_not_there(gpus):
    gpus(0)
    with pytest.raises(InputError, match="no GPU here .*Choose the CPU"):
        device_of(Topology(), "cuda")


@pytest.mark.parametrize("count", [0, 1])
def test_another_device(gpus, count):
    gpus(count)
    with pytest.raises(InputError, match="'tpu' is none of auto, cpu, cuda"):
        device_of(Topology(), "tpu")


def test_one_process_joins_nothing():
    with process_group(Topology(), CPU):
        assert not distributed.is_initialized()


def join(fails):
    """(size, whether the group is left) of a group whose block ends by itself or by an error.

    Once a process only: a second group would meet the first one's addresses in the store.
    """
    seen = []
    try:
        with process_group(detect(), CPU):
            seen.append(distributed.get_world_size())
            if fails:
                raise KeyError
    except (KeyError, SystemExit) as error:
        seen.append(type(error))
    return [*seen, distributed.is_initialized()]


def test_a_group_is_left_when_its_block_ends():
    assert run_ranks(2, join, False, joined=False) == [[2, False]] * 2


def test_an_error_on_all_ranks_is_told_by_one():
    ranks = run_ranks(2, join, True, joined=False)
    assert sorted(ranks, key=str) == [[2, KeyError, False], [2, SystemExit, False]]
