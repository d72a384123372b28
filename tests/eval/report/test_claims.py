"""Verdicts: what a claim may say, and what it may not."""

from pathlib import Path

import pytest
from report_results import agreement, discrimination, fid, number, save

from eval.report.claims import claims_of
from eval.report.one_claim import against_one, against_range, not_below_one
from eval.report.results_files import read_results
from eval.statistics.result import Result


def claims(tmp_path: Path, result):
    return claims_of(read_results(save(tmp_path, result=result)))


@pytest.mark.parametrize(
    ("value", "extractor", "verdict"),
    [(0.5, "inception", "within"), (0.8, "inception", "against"), (0.5, "random", "described")],
)
def test_a_distance_is_held_against_what_real_tiles_have(tmp_path, value, extractor, verdict):
    found = claims(tmp_path, fid(value, extractor))
    assert (found[0].verdict, found[0].n, found[0].source) == (verdict, 40, "result.json")
    assert found[0].reference == "real to real: 0.500 to 0.700"
    assert found[1].value == -0.00004
    assert "period, 2 pixels" in found[2].found
    assert found[2].verdict == "against"


def test_readers_are_claimed_to_be_alike_only_by_a_test_with_a_margin(tmp_path):
    shown = claims(tmp_path, agreement())[0]
    assert (shown.verdict, shown.reference) == ("shown", "0 ± 0.200, set beforehand")
    assert shown.found == "Fleiss’ κ: real 0.600, synthetic 0.500; difference 0.100"
    assert claims(tmp_path, agreement(equivalent=False))[0].verdict == "not shown"
    assert claims(tmp_path, agreement(margin=None))[0].reference == "0; no margin was set"


def test_the_mean_of_readers_is_the_claim(tmp_path):
    found = claims(tmp_path, discrimination())
    assert len(found) == 1
    assert found[0].claim.endswith("no better than the margin allows (primary outcome)")
    assert found[0].verdict == "shown"


def test_an_outcome_without_a_margin_of_its_own_is_described(tmp_path):
    result = discrimination()
    dprime = number("dprime", 0.3, (0.1, 0.5), reader="mean of readers", block="naive", chance=0.0)
    both = Result(kind="discrimination", inputs={}, settings=result.settings,
                  numbers=(*result.numbers, dprime))  # fmt: skip
    assert [one.verdict for one in claims(tmp_path, both)] == ["shown", "described"]
    alone = Result(kind="discrimination", inputs={}, settings={}, numbers=(dprime,))
    assert claims(tmp_path, alone)[0].verdict == "against"


def test_copies_are_those_beyond_chance(tmp_path):
    def result(count, interval):
        nearer = number("nearer_than_all_pixels", count / 40, interval, count=count, by_chance=0.02)
        ratio = number("distance_ratio_pixels", 0.7, (0.6, 0.8))
        return Result(kind="memorization", inputs={}, settings={}, numbers=(ratio, nearer))

    near, copies = claims(tmp_path, result(10, (0.1, 0.4)))
    assert (near.verdict, copies.verdict) == ("against", "against")
    assert claims(tmp_path, result(1, (0.0, 0.1)))[1].verdict == "not shown"


def test_what_is_undefined_shows_nothing(tmp_path):
    numbers = (number("distance_hematoxylin", None), number("spread_eosin", 0.2, (0.1, 0.4)))
    none, narrow = claims(tmp_path, Result(kind="stain", inputs={}, settings={}, numbers=numbers))
    assert (none.verdict, none.found) == ("not shown", "undefined: why not")
    assert narrow.verdict == "against"


def test_an_unknown_kind_is_described(tmp_path):
    other = Result(kind="of the future", inputs={}, settings={}, numbers=(number("x", 1.0),))
    assert claims(tmp_path, other)[0].verdict == "described"


def test_ratios_and_ranges():
    assert [against_one(ends) for ends in ((0.5, 0.9), (0.9, 1.1), (1.1, 2), None)] == [
        "against", "not shown", "against", "not shown"]  # fmt: skip
    assert [not_below_one(ends) for ends in ((0.5, 0.9), (0.9, 1.1), (1.1, 2), None)] == [
        "against", "not shown", "shown", "not shown"]  # fmt: skip
    assert against_range(None, (0, 1)) == "described"


def test_faithfulness_and_utility_are_held_against_real_tiles(tmp_path):
    sides = (
        number("mean_dice", 0.7, (0.6, 0.8), side="synthetic"),
        number("mean_dice", -0.2, (-0.3, -0.1), side="synthetic - real"),
        number("dice", 0.7, (0.6, 0.8), side="synthetic", **{"class": "gland"}),
    )
    found = claims(tmp_path, Result(kind="faithfulness", inputs={}, settings={}, numbers=sides))
    assert [one.verdict for one in found] == ["described", "against"]
    difference = number("mean_dice_difference", 0.0, (-0.01, 0.01), statement="equivalent",
                        equivalence={"equivalent": True})  # fmt: skip
    shown = claims(tmp_path, Result(kind="utility", inputs={}, settings={"margin": 0.03},
                                    numbers=(difference,)))  # fmt: skip
    assert (shown[0].verdict, shown[0].reference) == ("shown", "margin ±0.0300, set beforehand")


@pytest.mark.parametrize(
    ("details", "learnt"),
    [
        ({"schedule": "added", "is_control": False}, "with synthetic tiles"),
        ({"schedule": "added", "is_control": True}, "from real tiles alone"),
        ({"schedule": None}, "from real tiles alone"),
        ({}, "with synthetic tiles"),
    ],
)
def test_what_real_tiles_gain_is_not_claimed_for_synthetic_ones(tmp_path, details, learnt):
    gain = number("mean_dice_difference", 0.05, (0.04, 0.06), statement="better",
                  superiority_margin=0.0, conclusions={"superior": True}, **details)  # fmt: skip
    found = claims(tmp_path, Result(kind="utility", inputs={}, settings={}, numbers=(gain,)))
    assert found[1].claim == f"A segmenter learns more {learnt}"
    assert found[0].claim.endswith(learnt.partition(" ")[2])


def test_a_classifier_is_held_against_one_half_at_its_easiest_scale(tmp_path):
    areas = (number("auc_network_scale_1", 0.8, (0.7, 0.9)), number("auc_network_scale_4", 0.6))
    found = claims(tmp_path, Result(kind="c2st", inputs={}, settings={}, numbers=areas))
    assert (found[0].verdict, found[0].value) == ("against", 0.8)
    areas = (number("auc_texture_scale_2", 0.55, (0.45, 0.65)),)
    found = claims(tmp_path, Result(kind="c2st", inputs={}, settings={}, numbers=areas))
    assert found[0].verdict == "not shown"
