"""The page of a sweep: one file that says what was found, what it rests on, and what is open."""

import re
from dataclasses import replace
from html import unescape

import pytest
from sweep_records import DISTANCE, made_up

from eval.statistics.result import Result
from tune.report.findings import findings_of
from tune.report.page import page_of
from tune.report.page_tables import short_names
from tune.report.record import SweepRecord, Tissue

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def found():
    record = made_up(16)
    tissue = tuple(Tissue(trial=number, step=3000, images_seen=24_000, picture=PIXEL)
                   for number in (record.best.number, 0))  # fmt: skip
    provenance = {"Measured on": [("validation", "packed/<val>")]}
    return findings_of(replace(record, tissue=tissue, provenance=provenance))


@pytest.fixture(scope="module")
def page(found):
    return page_of(found)


def words(page):
    return unescape(re.sub(r"<[^>]+>", " ", page.split("</style>")[1]))


def test_it_needs_nothing_from_outside_and_runs_nothing(page):
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert "<script" not in page
    assert all(one.startswith(("data:image/", "#")) for one in addresses)
    assert {one[1:] for one in addresses if one[0] == "#"} <= set(re.findall(r'id="(.*?)"', page))
    assert page.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]+', page))
    assert "packed/&lt;val&gt;" in page


def test_the_numbers_say_how_they_were_made(page, found):
    text, best = words(page), found.record.best

    assert f"Best is trial {best.number}: Fréchet distance" in text
    assert "(n = 48) at 24,000 images seen, seed 0" in text
    assert DISTANCE.how in text
    assert "standard deviation of" in text
    assert "(6 runs)" in text
    assert "Importance is of 16 trials at 8,000 images seen" in text


def test_the_difference_from_the_defaults_has_an_interval_and_a_verdict(page, found):
    spread = found.spreads[0]

    assert spread.ends[0] > 0
    assert "✓" in page
    assert f"better by {-spread.difference.value:.2f}" in words(page)


def test_all_plots_are_there_and_the_pictures_of_both(page, found):
    assert page.count("<figure class='plot'") + page.count('<figure class="plot"') == 5
    assert f"Trial {found.record.best.number} (best), step 3,000: 24,000 images seen" in page
    assert "Trial 0 (defaults), step 3,000" in page


def test_hours_add_up(page, found):
    assert found.spent == pytest.approx(sum(t.process_seconds for t in found.record.trials) / 3600)
    assert "Process-hours of 22 trials, 6 of them repeats with other seeds" in page
    assert f"Ending early saved {100 * found.saved / (found.spent + found.saved):.0f} %" in page


def test_without_repeats_nothing_is_claimed():
    text = words(page_of(findings_of(made_up(6, repeats=0))))

    assert "Not decided: the best setting was trained with one seed only" in text
    assert "With fewer than 10, for 4 settings, it would be chance" in text
    assert "✓" not in text


def test_a_sweep_that_has_only_begun_has_a_page():
    record = made_up(4, repeats=0, failing=False)
    waiting = tuple(
        replace(trial, state="waiting", measurements=(), rank=None, process_seconds=None)
        for trial in record.trials
    )
    text = words(page_of(findings_of(replace(record, trials=waiting))))

    assert "(4 waiting)" in text
    assert "No trial has a rank yet." in text
    assert isinstance(findings_of(replace(record, trials=waiting)).as_result(), Result)
    empty = SweepRecord(name="s", best_file="b", measures=(DISTANCE,), settings=(), trials=())
    assert "0 trials of 0 settings" in words(page_of(findings_of(empty)))


def test_if_the_defaults_are_the_best_it_says_so():
    record = made_up(6, repeats=0, failing=False)
    best = tuple(replace(trial, rank=1 if trial.number == 0 else (trial.rank or 0) + 1)
                 for trial in record.trials)  # fmt: skip
    text = words(page_of(findings_of(replace(record, trials=best))))

    assert "None of the trials was better than the defaults." in text


def test_the_data_say_the_same(found):
    numbers = {number.name: number for number in found.as_result().numbers}

    assert numbers["distance_of_best_less_defaults"] == found.spreads[0].difference
    assert numbers["distance_of_best"].details["images_seen"] == 24_000
    assert numbers["process_hours_saved"].value == found.saved
    assert "importance of optimizer.generator_lr" in numbers


def test_short_names_stay_different():
    assert short_names(["a.lr", "b.lr", "c.d"]) == ["a.lr", "b.lr", "d"]
