"""Keyed randomness: the published generator, the same bits everywhere, statistics of the normal."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpc.randomness import (
    bits,
    generator_of,
    grid_positions,
    integers,
    key_of,
    normal,
    permutation,
    uniform,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "randomness.json").read_text())
LIMIT = 1 << 20

keys = st.integers(-(2**63), 2**63 - 1)
positions = arrays(np.int64, st.integers(0, 20), elements=st.integers(0, 2**62 - 1))
purposes = st.lists(st.text(max_size=5) | st.integers(-3, 300), max_size=4).map(tuple)


def window(start, stop):
    """A range within [start, stop), not empty."""
    return st.tuples(st.integers(start, stop - 1), st.integers(1, 6)).map(
        lambda drawn: range(drawn[0], min(drawn[0] + drawn[1], stop))
    )


def test_bits_are_those_of_splitmix64():
    reference = GOLDEN["splitmix64"]

    drawn = bits(reference["seed"], np.arange(len(reference["outputs"])))

    assert drawn.view(np.uint64).tolist() == reference["outputs"]


@pytest.mark.parametrize("case", GOLDEN["keys"]["cases"], ids=str)
def test_keys_never_change(case):
    assert key_of(case["seed"], *case["purpose"]) == case["key"]


def test_normals_never_change():
    golden = GOLDEN["normals"]

    drawn = normal(golden["key"], np.arange(len(golden["values"])))

    assert drawn == pytest.approx(np.array(golden["values"]), rel=1e-14)


@given(keys, positions)
def test_numpy_and_torch_draw_the_same(key, where):
    there = torch.from_numpy(where)

    assert np.array_equal(bits(key, where), bits(key, there).numpy())
    assert np.array_equal(uniform(key, where), uniform(key, there).numpy())
    assert np.array_equal(integers(key, where, 7), integers(key, there, 7).numpy())
    assert normal(key, where) == pytest.approx(normal(key, there).numpy(), rel=1e-12, abs=1e-12)


@given(st.lists(keys, min_size=1, max_size=4), positions)
def test_several_keys_at_once_draw_what_each_draws(several, where):
    there = torch.from_numpy(where)
    together = torch.tensor(several)[:, None]

    assert torch.equal(bits(together, there), torch.stack([bits(key, there) for key in several]))
    assert np.array_equal(
        uniform(np.array(several)[:, None], where), np.stack([uniform(k, where) for k in several])
    )
    drawn = torch.stack([normal(key, there) for key in several])
    torch.testing.assert_close(normal(together, there), drawn, rtol=1e-12, atol=1e-12)


@given(keys, positions)
def test_ranges(key, where):
    numbers = uniform(key, where)

    assert numbers.dtype == np.float64
    assert np.all((numbers >= 0) & (numbers < 1))
    assert np.all(np.isfinite(normal(key, where)))
    drawn = integers(key, where, 3)
    assert np.all((drawn >= 0) & (drawn < 3))


@given(keys, positions, st.data())
def test_a_number_does_not_know_its_neighbours(key, where, data):
    chosen = data.draw(st.lists(st.integers(0, max(len(where) - 1, 0)), max_size=5))
    chosen = np.array(chosen if len(where) else [], dtype=int)

    assert np.array_equal(normal(key, where[chosen]), normal(key, where)[chosen])


def test_normals_are_normal():
    n = 1_000_000
    drawn = normal(key_of(3, "test"), np.arange(n))

    # Four standard errors each, of the mean, the deviation, the skewness and the kurtosis.
    assert abs(drawn.mean()) < 4 / n**0.5
    assert abs(drawn.std() - 1) < 4 / (2 * n) ** 0.5
    standard = (drawn - drawn.mean()) / drawn.std()
    assert abs((standard**3).mean()) < 4 * (6 / n) ** 0.5
    assert abs((standard**4).mean() - 3) < 4 * (24 / n) ** 0.5


def test_neighbours_and_purposes_are_uncorrelated():
    n = 100_000
    one, other = (normal(key_of(3, "noise", step), np.arange(n)) for step in (1, 2))

    for pair in ((one, other), (one[1:], one[:-1]), (one[::2], one[1::2])):
        assert abs(np.corrcoef(*pair)[0, 1]) < 4 / (n / 2) ** 0.5


def test_integers_are_evenly_spread():
    n, bound = 60_000, 6
    counts = np.bincount(integers(5, np.arange(n), bound), minlength=bound)

    expected = n / bound
    # The 0.9999 quantile of chi-square with 5 degrees of freedom.
    assert ((counts - expected) ** 2 / expected).sum() < 25.7


@given(st.integers(0, 2**32), purposes, purposes)
def test_different_purposes_have_different_keys(seed, one, other):
    assert (key_of(seed, *one) == key_of(seed, *other)) == (
        [(type(part), part) for part in one] == [(type(part), part) for part in other]
    )


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_different_seeds_have_different_keys(one, other):
    assert (key_of(one, "noise") == key_of(other, "noise")) == (one == other)


def test_numbers_and_texts_of_numpy_are_numbers_and_texts():
    assert key_of(np.int64(3), np.int32(4), np.str_("a")) == key_of(3, 4, "a")


def test_a_purpose_is_text_or_a_whole_number():
    with pytest.raises(TypeError):
        key_of(0, 1.5)


@given(st.integers(1, 3), window(0, 40), window(0, 40), st.integers(0, 30), st.integers(0, 30))
def test_a_window_is_a_crop_of_a_larger_one(channels, rows, columns, above, left):
    larger_rows = range(max(rows.start - above, 0), rows.stop + 3)
    larger_columns = range(max(columns.start - left, 0), columns.stop + 2)
    top, side = rows.start - larger_rows.start, columns.start - larger_columns.start

    small = grid_positions(channels, rows, columns)
    large = grid_positions(channels + 1, larger_rows, larger_columns)

    crop = large[:channels, top : top + len(rows), side : side + len(columns)]
    assert torch.equal(small, crop)
    assert torch.equal(normal(9, small), normal(9, crop))


@given(window(LIMIT - 5, LIMIT), window(LIMIT - 5, LIMIT))
def test_positions_of_the_largest_grid_are_distinct_and_allowed(rows, columns):
    far = grid_positions(3, rows, columns)
    near = grid_positions(3, range(4), range(4))

    together = torch.cat([far.flatten(), near.flatten()])
    assert len(together.unique()) == len(together)
    assert int(far.min()) >= 0 and int(far.max()) < 2**62


@given(keys, st.integers(0, 300))
def test_a_permutation_has_everything_once(key, n):
    order = permutation(key, n)

    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, permutation(key, n))


def test_permutations_are_not_all_the_same():
    assert len({tuple(permutation(key, 4)) for key in range(500)}) == 24


@given(keys)
def test_a_generator_begins_anew(key):
    assert generator_of(key).integers(2**60) == generator_of(key).integers(2**60)


def test_generators_of_different_keys_differ():
    assert len({int(generator_of(key).integers(2**60)) for key in (-1, 0, 1, 2**62)}) == 4
