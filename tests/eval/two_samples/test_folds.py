"""Patients, and the two tiles of one label map, are kept apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.two_samples.folds import folds_of, groups_of, label_key
from hpc.errors import InputError


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.png", "a"),
        ("sub/a.v12.png", "a"),
        ("a.tile.png", "a"),
        ("a.label.v2.png", "a"),
        ("a.b.TIF", "a.b.TIF"),
        ("shard-key.7", "shard-key.7"),
        ("version.v.png", "version.v"),
    ],
)
def test_a_tile_and_its_variants_share_a_key(name, key):
    assert label_key(name) == key


def test_synthetic_tiles_go_with_the_patient_of_their_label_map():
    real, synthetic = groups_of(["a.tile.png", "b.tile.png"], ["b.v1.png", "c.png"], ["p", "q"])
    assert real == ["p", "q"]
    assert synthetic == ["q", "tile c"]
    unknown = groups_of(["a.png"], ["a.v1.png"], None)
    assert unknown == (["tile a"], ["tile a"])


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=12),
    seed=st.integers(0, 5),
)
def test_folds_hold_whole_groups_of_both_kinds(sizes, seed):
    groups, synthetic = [], []
    for number, counts in enumerate(sizes):
        for kind, count in enumerate(counts):
            groups += [f"g{number}"] * count
            synthetic += [bool(kind)] * count
    synthetic_N = np.array(synthetic)
    fold_N = folds_of(groups, synthetic_N, seed)
    assert set(fold_N) == set(range(min(5, len(sizes))))
    for group in set(groups):
        assert len(set(fold_N[np.array(groups) == group])) == 1
    for fold in set(fold_N):
        assert set(synthetic_N[fold_N == fold]) == {False, True}


def test_kinds_of_different_patients_are_spread_too():
    groups = [f"real {i}" for i in range(10)] + [f"synthetic {i}" for i in range(10)]
    fold_N = folds_of(groups, np.repeat([False, True], 10), 0)
    assert np.bincount(fold_N[:10]).tolist() == np.bincount(fold_N[10:]).tolist() == [2] * 5


@pytest.mark.parametrize("groups", [["a"] * 4, ["a", "a", "b", "c"]])
def test_too_few_patients_are_told(groups):
    with pytest.raises(InputError, match="Give tiles of more patients"):
        folds_of(groups, np.array([False, False, True, True]), 0)
