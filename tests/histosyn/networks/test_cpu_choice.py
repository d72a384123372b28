"""The ways that are fastest here, chosen once and by one rank for all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ranks import run_ranks

from histosyn.networks import cpu_choice
from histosyn.networks.cpu_choice import (
    Choice,
    choice_text,
    fastest,
    is_measured,
    settled_choice,
)
from hpc import collectives

EVEN = {"small_grids": 1.1, "contiguous": 1.1, "usual_order": 1.1, "tables": 1.0}
AVX2 = EVEN | {"small_grids": 2.5, "contiguous": 3.0, "tables": 0.65}
AVX512 = EVEN | {"small_grids": 2.9, "contiguous": 0.9, "tables": 0.86}
ONLY_COPIES = EVEN | {"small_grids": 0.9, "contiguous": 1.5}
OTHERWISE = EVEN | {"usual_order": 1.3, "tables": 1.5}
FOUND = Choice(convolutions="contiguous", channels_last=True, tables_below=1.4)
USUAL = Choice(convolutions="plain", channels_last=True)
NAMED = {"convolutions": "small_grids", "channels_last": False, "tables_below": 0.3}


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="histosyn")
    return caplog


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float]], None]:
    def found(numbers: dict[str, float]) -> None:
        monkeypatch.setattr(cpu_choice, "measured_once", lambda *_: numbers)

    return found


@pytest.fixture
def measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_choice, "measured_once", lambda *_: pytest.fail("measured"))


def settled(wanted: dict[str, Any], kept: dict[str, Any], usual: Choice | None = None) -> Choice:
    return settled_choice(wanted, kept, "float32", usual)


@pytest.mark.parametrize(
    ("found", "form", "channels_last", "below"),
    [(EVEN, "plain", True, 1.0), (AVX2, "contiguous", True, 1.4),
     (AVX512, "small_grids", True, 1.0), (ONLY_COPIES, "contiguous", True, 1.0),
     (OTHERWISE, "plain", False, 0.7)],
)  # fmt: skip
def test_what_is_clearly_faster_is_chosen(
    measures, said, found, form, channels_last, below
) -> None:
    measures(found)
    chosen = Choice(convolutions=form, channels_last=channels_last, tables_below=below)
    assert fastest("float32") == settled({}, {}) == chosen
    assert choice_text("float32").startswith(f"run.convolutions {form}, run.channels_last ")
    (record,) = said.records
    assert f"computed with {chosen}: measured on" in record.message


@pytest.mark.parametrize(("device", "precision"), [("cuda", "bfloat16"), ("cpu", "float64")])
def test_devices_and_precisions_without_a_need_are_left_alone(device, precision) -> None:
    assert not is_measured(torch.device(device), precision)
    assert is_measured(torch.device("cpu"), "bfloat16")


def test_where_something_is_usual_nothing_is_measured(measures_nothing, said) -> None:
    assert settled({}, {}, USUAL) == USUAL
    assert settled({"tables_below": 2.0}, {"tables_below": 3.0, "convolutions": "contiguous"},
                   USUAL) == Choice(convolutions="contiguous", channels_last=True,
                                    tables_below=2.0)  # fmt: skip
    assert not said.records


def test_what_is_named_is_taken_without_a_word(measures_nothing, said) -> None:
    assert settled(NAMED, {"convolutions": "plain"}) == Choice(**NAMED)
    assert not said.records


def test_the_rest_is_measured_where_a_part_is_named(measures) -> None:
    measures(AVX2)
    assert settled({"convolutions": "plain"}, {}) == Choice(
        convolutions="plain", channels_last=True, tables_below=1.4
    )


def test_what_was_begun_goes_on_and_is_told_when_that_costs(measures, said) -> None:
    measures(AVX512)
    kept = {"convolutions": "contiguous", "channels_last": False, "tables_below": 1.0}
    assert settled({}, kept) == Choice(**kept)
    (record,) = said.records
    assert "as when it was begun" in record.message
    assert record.message.endswith(
        "would be faster with run.convolutions small_grids, run.channels_last true"
    )


def test_what_costs_nothing_is_not_lamented(measures, said) -> None:
    measures(AVX2)
    kept = {"convolutions": "contiguous", "channels_last": True, "tables_below": 1.4}
    assert settled({}, kept) == FOUND
    assert said.records
    assert "would be faster" not in said.text


def on_ranks_that_differ() -> tuple[Choice, int]:
    """Rank 1 would choose another form; and how often each measured."""
    times: list[None] = []
    found = AVX2 if collectives.rank() == 0 else EVEN
    cpu_choice.measured_once = lambda *_: times.append(None) or found
    return settled({}, {}), len(times)


def test_all_ranks_compute_what_the_first_measured() -> None:
    (first, measured), (second, none) = run_ranks(2, on_ranks_that_differ)
    assert first == second == FOUND
    assert measured and not none
