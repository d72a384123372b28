from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from histosyn.shards.oversampling import EachOnce
from histosyn.shards.sample_order import SHARDS_PER_BLOCK, SampleOrder

SIZES = st.lists(st.integers(0, 7), min_size=1, max_size=30).filter(any)


@given(SIZES, st.integers(0, 1000), st.integers(0, 3))
def test_every_sample_once_an_epoch(sizes: list[int], seed: int, epoch: int) -> None:
    order = SampleOrder(EachOnce(sizes), seed)
    samples = sum(sizes)
    places = [order.sample_at(epoch * samples + i) for i in range(samples)]
    assert {place.epoch for place in places} == {epoch}
    expected = {(shard, sample) for shard, size in enumerate(sizes) for sample in range(size)}
    assert {(place.shard, place.sample) for place in places} == expected


@given(SIZES, st.integers(0, 10**9))
def test_a_place_does_not_depend_on_what_was_asked_before(sizes: list[int], position: int) -> None:
    used = SampleOrder(EachOnce(sizes), 3)
    for earlier in range(20):
        used.sample_at(earlier)
    assert used.sample_at(position) == SampleOrder(EachOnce(sizes), 3).sample_at(position)


def test_epochs_and_seeds_differ() -> None:
    sizes = (50, 50)

    def epoch(seed: int, number: int) -> list[tuple[int, int]]:
        order = SampleOrder(EachOnce(sizes), seed)
        places = [order.sample_at(number * 100 + i) for i in range(100)]
        return [(place.shard, place.sample) for place in places]

    assert epoch(0, 0) != epoch(0, 1)
    assert epoch(0, 0) != epoch(1, 0)


def test_reads_stay_within_a_block_of_shards() -> None:
    order = SampleOrder(EachOnce((10,) * 64), 0)
    for block in range(8):
        first = block * SHARDS_PER_BLOCK * 10
        shards = {order.sample_at(first + i).shard for i in range(SHARDS_PER_BLOCK * 10)}
        assert len(shards) == SHARDS_PER_BLOCK
