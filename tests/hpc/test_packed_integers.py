"""Many tensors travel as one, and come out as they were."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpc.device_copies import CopyStream, sent
from hpc.packed_integers import Packer

CPU = torch.device("cpu")


def packed(tensors, plan=None):
    packer = Packer()
    for tensor in tensors:
        packer.put(tensor)
    return packer.packed(plan)


@given(st.lists(st.lists(st.integers(-(1 << 62), 1 << 62), max_size=5), max_size=5))
def test_what_is_packed_comes_out(lists):
    tensors = [torch.tensor(values, dtype=torch.int64) for values in lists]
    made = pickle.loads(pickle.dumps(packed(tensors, {"any": "plan"})))
    assert [each.tolist() for each in made.to(CPU).tensors()] == lists
    assert made.plan == {"any": "plan"}


@pytest.mark.parametrize(
    "largest, dtype",
    [((1 << 31) - 1, torch.int32), (1 << 31, torch.int64), (-(1 << 31), torch.int64)],
)
def test_numbers_travel_in_half_the_bytes_if_they_fit(largest, dtype):
    made = packed([torch.tensor([0, largest]), torch.tensor([[1], [2]])])
    assert made.numbers.dtype == dtype
    assert [each.tolist() for each in made.tensors()] == [[0, largest], [1, 2]]


def test_on_the_host_nothing_is_copied():
    tensor = torch.ones(3)
    assert sent(tensor, CPU) is tensor
    copies = CopyStream(CPU)
    with copies.beside():
        there = sent(tensor, CPU)
    copies.arrived([there])
    assert there is tensor
