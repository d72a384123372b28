"""Pieces of a training step are timed without a trace in what is computed later."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

import pytest
import torch

from histosyn.networks import cpu_measurements
from histosyn.networks.convolutions import Form
from histosyn.networks.cpu_measurements import measure

NAMES = {"small_grids", "contiguous", "usual_order", "tables"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that take no time."""
    for name in ("_SMALL", "_LARGE", "_MIDDLE"):
        monkeypatch.setattr(cpu_measurements, name, (32, 32, 4, 1, name != "_LARGE"))
    monkeypatch.setattr(cpu_measurements, "_LAYER", (8, 8, 16, 1, 4))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_is_measured_without_random_numbers(small, precision) -> None:
    asked: list[set[str]] = []

    def form(found: Mapping[str, float]) -> Form:
        asked.append(set(found))
        return "small_grids"

    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = measure(precision, form)
    assert set(found) == NAMES
    assert all(value > 0 for value in found.values())
    assert asked == [{"small_grids", "contiguous"}]
    assert torch.equal(torch.get_rng_state(), before)


def test_the_label_maps_are_near_where_the_choice_lies() -> None:
    """There an error of the formula does not count."""
    level = cpu_measurements._level()
    small, large = level.shares
    assert 0.3 < small < 0.6 and 0.8 < large < 1
    assert level.labels_NHW.unique().tolist() == [0, 1, 2, 3]


def test_the_quickest_of_the_later_rounds_counts() -> None:
    first, second = iter([0.1, 5, 3, 4, 9, 9]), iter([0.2, 9, 9, 9, 8, 9])
    ways = [(nullcontext, lambda: next(first)), (nullcontext, lambda: next(second))]
    assert cpu_measurements._quickest(ways) == [3, 8]
