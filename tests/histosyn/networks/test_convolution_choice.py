"""The form of convolutions that is fastest here, chosen once and by one rank for all."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from ranks import run_ranks

from histosyn.networks import convolution_choice
from histosyn.networks.convolution_choice import fastest, gains, gains_text, settled_form
from hpc import collectives

CPU = torch.device("cpu")
AVX2 = {"small_grids": 2.5, "contiguous": 3.0}
AVX512 = {"small_grids": 2.9, "contiguous": 0.9}
EVEN = {"small_grids": 1.1, "contiguous": 1.1}
ONLY_COPIES = {"small_grids": 0.9, "contiguous": 1.5}


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="histosyn")
    return caplog


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float]], None]:
    def found(numbers: dict[str, float]) -> None:
        monkeypatch.setattr(convolution_choice, "measured_once", lambda *_: numbers)

    return found


@pytest.mark.parametrize(
    ("found", "form"),
    [(AVX2, "contiguous"), (AVX512, "small_grids"), (EVEN, "plain"), (ONLY_COPIES, "contiguous"),
     ({}, "plain")],
)  # fmt: skip
def test_what_is_clearly_faster_is_chosen(measures, said, found, form) -> None:
    measures(found)
    assert fastest(CPU, "float32") == settled_form("auto", CPU, "float32") == form
    assert gains_text("float32").startswith(f"{form} in float32")
    (record,) = said.records
    assert f"auto is {form}: measured on" in record.message


def test_devices_without_a_need_are_left_alone(monkeypatch, said) -> None:
    """And nothing is measured for them, nor for float64, which oneDNN doesn't compute."""
    monkeypatch.setattr(convolution_choice, "measured_once", lambda *_: pytest.fail("measured"))
    assert settled_form("auto", torch.device("cuda"), "bfloat16") == "plain"
    assert not said.records
    assert settled_form("auto", CPU, "float64") == "plain"


def test_what_is_named_is_taken_without_a_word(measures, said) -> None:
    measures(AVX2)
    assert settled_form("plain", CPU, "float32") == "plain"
    assert settled_form("small_grids", CPU, "float32", "contiguous") == "small_grids"
    assert not said.records


def test_what_was_begun_goes_on_and_is_told_when_that_costs(measures, said) -> None:
    measures(AVX512)
    assert settled_form("auto", CPU, "float32", "contiguous") == "contiguous"
    (record,) = said.records
    assert "as when it was begun" in record.message
    assert "would be faster with small_grids" in record.message


def test_what_costs_nothing_is_not_lamented(measures, said) -> None:
    measures(AVX2)
    assert settled_form("auto", CPU, "float32", "contiguous") == "contiguous"
    assert "would be faster" not in said.text
    said.clear()
    assert settled_form("contiguous", CPU, "float32", "contiguous") == "contiguous"
    assert not said.records


def on_ranks_that_differ() -> tuple[str, int]:
    """Rank 1 would choose another form; and how often each measured."""
    times: list[None] = []
    found = AVX2 if collectives.rank() == 0 else EVEN
    convolution_choice.measured_once = lambda *_: times.append(None) or found
    return settled_form("auto", CPU, "float32"), len(times)


def test_all_ranks_compute_what_the_first_measured() -> None:
    (first, measured), (second, none) = run_ranks(2, on_ranks_that_differ)
    assert first == second == "contiguous"
    assert measured and not none


def test_it_is_measured_without_random_numbers(monkeypatch) -> None:
    for name in ("_SMALL", "_LARGE"):
        monkeypatch.setattr(convolution_choice, name, (32, 32, 4, 1, name == "_SMALL"))
    monkeypatch.setattr(convolution_choice, "measured_once", lambda _, measure: measure())
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for precision in ("float32", "bfloat16"):
        found = gains(precision)
        assert set(found) == {"small_grids", "contiguous"}
        assert all(gain > 0 for gain in found.values())
    assert torch.equal(torch.get_rng_state(), before)
