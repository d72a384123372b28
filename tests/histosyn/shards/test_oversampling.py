from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.shards.index import DatasetIndex, ShardRecord
from histosyn.shards.index_file import write_index
from histosyn.shards.oversampling import EachOnce, OversampleRareClasses, Subset
from histosyn.shards.sample_order import SampleOrder
from histosyn.shards.samples_table import Entry, Member

NOWHERE = Member(offset=512, size=1, crc32=0)


def index_of(folder: Path, shards: list[list[tuple[int, ...]]]) -> DatasetIndex:
    """An index of samples with these classes; there are no tars."""
    records = [
        ShardRecord(
            name=f"shard-{number:06d}.tar",
            sha256="",
            size_bytes=0,
            entries=tuple(
                Entry(key=f"{number}-{i}", tile=NOWHERE, label=NOWHERE, group=None, classes=classes)
                for i, classes in enumerate(samples)
            ),
            class_pixels=(0, 0, 0, 0),
        )
        for number, samples in enumerate(shards)
    ]
    return write_index(
        folder, schema=SCHEMA, tile_size=(8, 8), mpp=None, records=records, made_by={}
    )


def drawn(
    draws: OversampleRareClasses | EachOnce, shards: int, epoch: int
) -> Counter[tuple[int, int]]:
    return Counter(
        (shard, int(sample)) for shard in range(shards) for sample in draws.samples(epoch, shard)
    )


CLASSES = st.frozensets(st.integers(0, 3)).map(lambda found: tuple(sorted(found)))
SHARDS = st.lists(st.lists(CLASSES, max_size=6), min_size=1, max_size=6).filter(any)


@given(SHARDS, st.floats(0.01, 1), st.integers(0, 50), st.integers(0, 5))
def test_an_epoch_is_whole_and_shows_every_sample(
    tmp_path_factory: pytest.TempPathFactory,
    shards: list[list[tuple[int, ...]]],
    threshold: float,
    seed: int,
    epoch: int,
) -> None:
    index = index_of(tmp_path_factory.mktemp("index"), shards)
    draws = OversampleRareClasses(index, threshold=threshold, seed=seed)
    numbers = draws.numbers(epoch)
    counts = drawn(draws, len(shards), epoch)
    assert numbers.tolist() == [
        sum(n for (shard, _), n in counts.items() if shard == i) for i in range(len(shards))
    ]
    assert numbers.sum() == draws.epoch_size
    assert set(counts) == {(i, j) for i, samples in enumerate(shards) for j in range(len(samples))}


def test_rare_classes_come_as_often_as_their_repeat_factor_says(tmp_path: Path) -> None:
    """2 of 32 samples have class 3: at a threshold of 1/2 each comes sqrt(0.5 * 16) times."""
    common, rare = (0, 1), (0, 3)
    shards = [[rare, *[common] * 15], [*[common] * 15, rare]]
    draws = OversampleRareClasses(index_of(tmp_path, shards), threshold=0.5, seed=3)
    epochs = 200
    total: Counter[tuple[int, int]] = Counter()
    for epoch in range(epochs):
        counts = drawn(draws, 2, epoch)
        assert set(counts.values()) <= {1, 2, 3}
        total += counts
    # The comb's step is a little below 1: the epoch has a whole number of samples.
    step = (30 + 2 * 8**0.5) / draws.epoch_size
    assert total[0, 0] / epochs == pytest.approx(8**0.5 / step, rel=0.02)
    assert total[1, 15] / epochs == pytest.approx(8**0.5 / step, rel=0.02)
    assert total[0, 7] / epochs == pytest.approx(1 / step, rel=0.02)


def test_without_rare_classes_it_is_each_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, [[(0,)] * 3, [], [(0,)] * 4])
    draws = OversampleRareClasses(index, threshold=1.0, seed=1)
    assert draws.epoch_size == 7
    for shard in range(3):
        expected = EachOnce([3, 0, 4]).samples(5, shard)
        assert np.array_equal(draws.samples(5, shard), expected)


def test_the_order_tells_repeats_apart(tmp_path: Path) -> None:
    index = index_of(tmp_path, [[(3,), *[(0,)] * 31]])
    order = SampleOrder(OversampleRareClasses(index, threshold=1.0, seed=0), seed=0)
    places = [order.sample_at(i) for i in range(order.draws.epoch_size)]
    assert len(set(places)) == len(places)
    repeats = sorted(place.repeat for place in places if place.sample == 0)
    assert repeats == list(range(len(repeats)))
    assert len(repeats) >= 5  # sqrt(32) = 5.7


def test_a_class_that_never_occurs_changes_nothing(tmp_path: Path) -> None:
    index = replace(index_of(tmp_path, [[(0,), (0, 1)]]), class_samples=(2, 1, 0, 0))
    assert OversampleRareClasses(index, threshold=0.4, seed=0).epoch_size == 2


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20).filter(any),
    st.data(),
    st.integers(0, 99),
)
def test_chosen_samples_come_once_an_epoch_and_others_never(
    sizes: list[int], data: st.DataObject, seed: int
) -> None:
    rows = data.draw(st.sets(st.integers(0, sum(sizes) - 1), min_size=1))
    starts = np.cumsum([0, *sizes])
    draws = Subset(Starts(starts), np.array(sorted(rows)))  # type: ignore[arg-type]
    assert draws.epoch_size == len(rows) == draws.numbers(0).sum()
    order = SampleOrder(draws, seed)
    for epoch in range(2):
        places = [order.sample_at(epoch * len(rows) + i) for i in range(len(rows))]
        assert {int(starts[place.shard]) + place.sample for place in places} == rows
        assert {place.repeat for place in places} == {0}


class Starts:
    """What `Subset` looks at in an index."""

    def __init__(self, starts: np.ndarray) -> None:
        self.starts = starts
