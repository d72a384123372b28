"""Snapshots of a training state: memory that is used again."""

import torch

from hpc.tensor_tree import take_snapshot


def test_memory_is_used_again_where_it_fits():
    first = take_snapshot({"a": torch.zeros(3), "b": torch.zeros(3), "c": torch.zeros(3)})
    second = take_snapshot(
        {"a": torch.ones(3), "b": torch.ones(4), "c": torch.ones(3).double()}, first
    )
    (a, *others), (a_before, *others_before) = (
        list(snapshot.tensors.values()) for snapshot in (second, first)
    )
    assert a.data_ptr() == a_before.data_ptr()
    assert [other.data_ptr() for other in others] != [other.data_ptr() for other in others_before]
    assert [tensor.tolist() for tensor in (a, *others)] == [[1] * 3, [1] * 4, [1] * 3]
    assert others[1].dtype == torch.float64
