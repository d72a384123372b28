"""Real minus synthetic: the interval, the permutation test, the equivalence test."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.agreement.coefficients.sample import Sample
from eval.agreement.coefficients.statistics import measure, statistic_of
from eval.agreement.difference import (
    Permuted,
    permutation_test,
    permuted_differences,
)
from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import DIFFERENCE, Plan, report_agreement
from hpc.errors import InputError

SCALE = ("1", "2", "3", "4")
FLEISS = statistic_of("fleiss_kappa", SCALE)
AC1 = statistic_of("gwet_ac1", SCALE)


def value_of(statistic, codes):
    return measure(statistic, Sample.observed(codes, 4))[0]


def test_few_images_are_dealt_in_all_ways():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 4, (4, 3)), random.integers(0, 4, (3, 3))
    permuted = permuted_differences(first, second, 4, [AC1], replicates=50, seed=0)
    codes = np.concatenate([first, second])
    by_hand = [
        value_of(AC1, codes[list(chosen)]) - value_of(AC1, np.delete(codes, chosen, axis=0))
        for chosen in combinations(range(7), 4)
    ]
    assert permuted.exact
    assert permuted.differences_SP[0] == pytest.approx(by_hand)
    difference = by_hand[0]
    test = permutation_test(difference, permuted, 0)
    assert test["p_two_sided"] == np.mean(np.abs(by_hand) >= abs(difference) - 1e-12)
    assert "all permutations" in test["method"]


def test_random_deals_agree_with_all_deals():
    random = np.random.default_rng(1)
    first, second = random.integers(0, 3, (8, 3)), random.integers(1, 4, (8, 3))
    difference = value_of(FLEISS, first) - value_of(FLEISS, second)
    exact = permuted_differences(first, second, 4, [FLEISS], replicates=12_870, seed=0)
    assert exact.exact
    assert exact.differences_SP.shape == (1, 12_870)
    some = permuted_differences(
        np.tile(first, (3, 1)), np.tile(second, (3, 1)), 4, [FLEISS], replicates=400, seed=0
    )
    assert not some.exact
    assert some.differences_SP.shape == (1, 400)
    assert abs(np.mean(some.differences_SP)) < 0.03
    test = permutation_test(difference, exact, 0)
    assert 0 < test["p_two_sided"] <= 1


def test_arms_that_differ_and_arms_that_do_not():
    random = np.random.default_rng(2)
    truth = random.integers(0, 4, (60, 1))
    alike = np.repeat(truth, 3, axis=1)
    noisy = random.integers(0, 4, (60, 3))
    far = permuted_differences(alike, noisy, 4, [FLEISS], replicates=500, seed=0)
    difference = value_of(FLEISS, alike) - value_of(FLEISS, noisy)
    p = permutation_test(difference, far, 0)["p_two_sided"]
    assert p == pytest.approx(1 / 501)
    none = permuted_differences(noisy[:30], noisy[30:], 4, [FLEISS], replicates=500, seed=0)
    difference = value_of(FLEISS, noisy[:30]) - value_of(FLEISS, noisy[30:])
    assert permutation_test(difference, none, 0)["p_two_sided"] > 0.05


def test_undefined_permutations_count_against_the_difference():
    dealt = Permuted(differences_SP=np.array([[np.nan, 0.1, 0.2, -0.6]]), exact=True, paired=False)
    test = permutation_test(0.5, dealt, 0)
    assert test["p_two_sided"] == 0.5
    assert test["undefined_permutations"] == 1


@settings(max_examples=30)
@given(
    first=arrays(np.int64, st.tuples(st.integers(1, 5), st.just(2)), elements=st.integers(-1, 3)),
    second=arrays(np.int64, st.tuples(st.integers(1, 5), st.just(2)), elements=st.integers(-1, 3)),
)
def test_exchanging_the_arms_exchanges_the_sign_only(first, second):
    there, back = (
        permuted_differences(a, b, 4, [AC1], replicates=10, seed=0).differences_SP[0]
        for a, b in ((first, second), (second, first))
    )
    assert np.sort(there) == pytest.approx(np.sort(-back), nan_ok=True)


def write(path, real, synthetic, header="image,arm,R1,R2,R3"):
    rows = [
        f"{arm[0]}{row},{arm},{','.join(map(str, codes))}"
        for arm, rated in (("real", real), ("synthetic", synthetic))
        for row, codes in enumerate(rated)
    ]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def differences(path, **options):
    result = report_agreement(read_ratings(path, SCALE), Plan(replicates=300, **options))
    found = [number for number in result.numbers if number.details["arm"] == DIFFERENCE]
    return result, {number.name: number for number in found}


def test_the_report_has_the_difference_of_every_statistic_of_all_raters(tmp_path):
    random = np.random.default_rng(4)
    real, synthetic = random.integers(1, 5, (25, 3)), random.integers(1, 5, (30, 3))
    result, found = differences(write(tmp_path / "r.csv", real, synthetic), margin=0.2)
    assert len(found) == 20
    by_arm = {
        (number.details["arm"], number.name): number
        for number in result.numbers
        if number.details["compared"] == "all raters"
    }
    for name, number in found.items():
        arms = by_arm["real", name], by_arm["synthetic", name]
        assert number.value == pytest.approx(arms[0].value - arms[1].value)
        assert number.details["values"] == {"real": arms[0].value, "synthetic": arms[1].value}
        low, high = number.interval
        assert low < number.value < high
        assert number.interval_method.endswith("each arm by itself")
        assert 0 < number.details["permutation_test"]["p_two_sided"] <= 1
        assert number.details["equivalence_test"]["margin"] == 0.2
    assert result.settings["margin"] == 0.2
    assert "does not show that readers agree alike" in result.settings["not_equivalence"]


def test_without_a_margin_there_is_no_equivalence_test(tmp_path):
    random = np.random.default_rng(5)
    path = write(tmp_path / "r.csv", random.integers(1, 5, (9, 3)), random.integers(1, 5, (9, 3)))
    _, found = differences(path)
    assert {number.details["equivalence_test"] for number in found.values()} == {None}


def test_other_raters_in_an_arm_have_no_permutation_test(tmp_path):
    real, synthetic = [(1, 2, "")] * 5 + [(2, 2, "")] * 5, [(1, 2, 2)] * 5 + [(3, 3, 1)] * 5
    result, found = differences(write(tmp_path / "r.csv", real, synthetic))
    fleiss = found["fleiss_kappa"]
    assert fleiss.value is not None
    assert fleiss.details["permutation_test"] is None
    assert "different raters" in fleiss.details["permutation_note"]
    assert any("The arms have different raters (R3 in one only)" in w for w in result.warnings)


def test_no_verdict_rests_on_the_replicates_that_happen_to_be_defined(tmp_path):
    # Without the last image, which most pairs of draws lack in an arm, there is one grade only.
    alike = [(1, 1)] * 30
    path = write(tmp_path / "r.csv", [*alike, (3, 3)], [*alike, (3, 2)], header="image,arm,R1,R2")
    _, found = differences(path, margin=0.25)
    seldom = []
    for number in found.values():
        test, undefined = (
            number.details[key] for key in ("equivalence_test", "undefined_replicates")
        )
        if test is None:
            assert number.interval is None
            assert number.details["equivalence_note"] in (
                number.reason,
                number.details["interval_note"],
            )
            continue
        assert test["undefined_replicates"] == undefined
        assert test["p"] > undefined / 300
        if undefined > 15:
            assert test["equivalent"] is None
            assert f"undefined in {undefined} of 300 replicates" in test["reason"]
            assert number.interval is not None
            seldom.append(number.name)
    assert {"light_kappa_quadratic", "fleiss_kappa_quadratic", "ICC(A,1)"} <= set(seldom)
    assert found["light_kappa_quadratic"].value == pytest.approx(0.205, abs=1e-3)
    assert found["percent_agreement"].details["equivalence_test"]["equivalent"]
    # All its defined replicates are 0.2, but for the last digit.
    consistency = found["ICC(C,1)"]
    assert consistency.value == pytest.approx(0.2)
    assert consistency.interval is None
    assert "all replicates alike" in consistency.details["equivalence_note"]


@pytest.mark.parametrize("single", ["real", "synthetic"])
def test_a_single_image_in_an_arm_gives_no_interval_and_no_test_and_says_so(tmp_path, single):
    arms = {"real": [(1, 2, 2), (3, 3, 1)], "synthetic": [(1, 2, 2), (3, 3, 1)]}
    arms[single] = arms[single][:1]
    _, found = differences(write(tmp_path / "r.csv", **arms), margin=0.1)
    note = f"no interval from a single {single} image"
    for number in found.values():
        assert number.interval is None
        assert number.details["equivalence_test"] is None
        assert number.details["interval_note"] == note
        assert number.details["equivalence_note"] == (number.reason or note)
    assert found["percent_agreement"].value is not None
    both = write(tmp_path / "both.csv", [(1, 2, 2)], [(1, 2, 2)])
    _, found = differences(both)
    percent = found["percent_agreement"].details
    assert percent["interval_note"] == "no interval from a single real and a single synthetic image"
    assert "equivalence_note" not in percent


def test_an_undefined_arm_makes_an_undefined_difference(tmp_path):
    _, found = differences(write(tmp_path / "r.csv", [(1, 1, 1)] * 6, [(1, 2, 2), (3, 3, 1)] * 3))
    fleiss = found["fleiss_kappa"]
    assert fleiss.value is None
    assert fleiss.reason.startswith("real: 0/0")
    assert fleiss.interval is None
    assert fleiss.details["permutation_test"] is None
    assert found["percent_agreement"].value is not None


@pytest.mark.parametrize("empty", ["real", "synthetic"])
def test_an_empty_arm_makes_every_difference_undefined(tmp_path, empty):
    arms = {"real": [(1, 2, 2)] * 6, "synthetic": [(1, 2, 2)] * 6} | {empty: []}
    result, found = differences(write(tmp_path / "r.csv", **arms), margin=0.2)
    assert len(found) == 20
    assert any(warning == f"Arm {empty}: no rated image." for warning in result.warnings)
    for number in found.values():
        assert number.value is None
        assert f"{empty}: no image has ratings of two raters" in number.reason
        assert number.interval is None
        assert number.details["replicates"] == 0
        assert number.details["permutation_test"] is None
        assert number.details["equivalence_test"] is None
        assert number.details["equivalence_note"] == number.reason
        assert "nothing to exchange" in number.details["permutation_note"]


def test_the_method_is_named_also_if_an_arm_agrees_everywhere(tmp_path):
    real = [(1, 1, 1), (2, 2, 2), (3, 3, 3)] * 5
    _, found = differences(write(tmp_path / "r.csv", real, [(1, 2, 2), (3, 3, 3)] * 8))
    percent = found["percent_agreement"]
    assert percent.interval is not None
    assert percent.interval_method == "percentile bootstrap over images, each arm by itself"


@pytest.mark.parametrize("fewer", ["real", "synthetic"])
def test_raters_drawn_in_one_arm_only_are_not_said_to_be_drawn_in_both(tmp_path, fewer):
    random = np.random.default_rng(8)
    arms = {arm: random.integers(1, 5, (20, 3)).tolist() for arm in ("real", "synthetic")}
    arms[fewer] = [[*ratings[:2], ""] for ratings in arms[fewer]]
    result, found = differences(write(tmp_path / "r.csv", **arms), resample_raters=True)
    other = "synthetic" if fewer == "real" else "real"
    assert result.settings["resampled"] == "images and raters"
    apart = "percentile bootstrap over images, each arm by itself"
    assert found["fleiss_kappa"].interval_method == f"{apart}; raters of the {other} arm only"
    assert found["ICC(C,1)"].interval_method == apart


def test_names_in_both_arms_are_pointed_out(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("image,arm,R1,R2\na,real,1,2\na,synthetic,2,2\n", encoding="utf-8")
    result, _ = differences(path)
    assert any("1 image names occur in both arms" in warning for warning in result.warnings)


def test_pairs_are_swapped_in_all_ways():
    random = np.random.default_rng(6)
    first, second = random.integers(0, 4, (4, 3)), random.integers(0, 4, (4, 3))
    permuted = permuted_differences(first, second, 4, [AC1], replicates=10, seed=0, paired=True)
    by_hand = []
    for swap in product((False, True), repeat=4):
        stays = ~np.array(swap)[:, None]
        one, other = np.where(stays, first, second), np.where(stays, second, first)
        by_hand.append(value_of(AC1, one) - value_of(AC1, other))
    assert permuted.exact
    assert np.sort(permuted.differences_SP[0]) == pytest.approx(np.sort(by_hand))
    test = permutation_test(by_hand[0], permuted, 0)
    assert test["method"] == "images swapped within pairs, raters kept, all permutations"
    many = permuted_differences(
        np.tile(first, (5, 1)),
        np.tile(second, (5, 1)),
        4,
        [AC1],
        replicates=60,
        seed=0,
        paired=True,
    )
    assert not many.exact
    assert many.differences_SP.shape == (1, 60)


def paired_file(path, images=40):
    """Twins that are rated nearly alike: hard images are hard in both arms."""
    random = np.random.default_rng(7)
    rows = []
    for image in range(images):
        spread = image % 4
        ratings = np.clip(2 + random.integers(-spread, spread + 1, 3), 1, 4)
        twin = ratings if image % 8 != 3 else np.clip(ratings + np.array([0, 0, 1]), 1, 4)
        rows += [f"i{image},real,{','.join(map(str, ratings))}"]
        rows += [f"i{image},synthetic,{','.join(map(str, twin))}"]
    path.write_text("\n".join(["image,arm,R1,R2,R3", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("resample_raters", [False, True])
def test_pairs_drawn_together_give_narrower_differences(tmp_path, resample_raters):
    path = paired_file(tmp_path / "r.csv")
    apart, found = differences(path, resample_raters=resample_raters)
    together, paired = differences(path, resample_raters=resample_raters, paired=True)
    one, other = found["conger_kappa"], paired["conger_kappa"]
    assert one.value == other.value
    widths = [number.interval[1] - number.interval[0] for number in (one, other)]
    assert widths[1] < widths[0] / 2
    assert other.interval_method.endswith("both arms together")
    assert other.details["permutation_test"]["method"].startswith("images swapped within pairs")
    assert any("use --paired" in warning for warning in apart.warnings)
    assert not any("use --paired" in warning for warning in together.warnings)


def test_images_without_a_partner_cannot_be_paired(tmp_path):
    path = write(tmp_path / "r.csv", [(1, 2, 2)] * 3, [(1, 2, 2)] * 3)
    with pytest.raises(InputError, match="6 images are rated in one arm only, for instance 'r0'"):
        differences(path, paired=True)
    path.write_text("image,R1,R2\na,1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="need a column arm"):
        differences(path, paired=True)
