"""Statistics by name against published values and intervals, and what is said of the undefined."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.inter_rater import cohens_kappa

from eval.agreement.coefficients.icc import MODELS
from eval.agreement.coefficients.registry import FAMILIES
from eval.agreement.coefficients.value import agreement_of
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden"
SHARED = Path(__file__).parents[4].parent / "shared" / "reference"
CASES = json.loads((GOLDEN / "agreement_cases.json").read_text(encoding="utf-8"))
INTERVALS = json.loads((GOLDEN / "agreement_intervals.json").read_text(encoding="utf-8"))
BY_NAME = {case["name"]: case for case in CASES}


def number_of(case, statistic=None, options=None):
    options = case["options"] if options is None else options
    name = statistic or case["statistic"]
    return agreement_of(case["data"], name, scale=case["categories"], **options)


def check(case):
    number = number_of(case)
    if case["undefined"]:
        assert number.value is None
        assert number.reason
        assert number.interval is None
        return
    assert number.value == pytest.approx(case["expected"], abs=case["tolerance"], rel=0)
    assert number.reason is None
    if "expected_ci" in case:
        check_interval(case["expected_ci"], number)


def check_interval(expected, number):
    by_chance = number.details["null_test"] or {}
    found = [
        {
            "se": formula["standard_error"],
            "lo": formula["interval"][0],
            "hi": formula["interval"][1],
            "se0": by_chance.get("standard_error"),
            "z": by_chance.get("z"),
            "p_two_sided": by_chance.get("p_two_sided"),
        }
        for formula in number.details["by_formula"]
    ]
    near = pytest.approx(
        {name: value for name, value in expected.items() if name in found[0]},
        abs=expected["tolerance"],
        rel=0,
    )
    assert any({name: one[name] for name in near.expected} == near for one in found)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_reference_case(case):
    check(case)


def test_every_case_of_the_shared_file():
    path = SHARED / "agreement_cases.visible.json"
    if not path.is_file():
        pytest.skip(f"no shared reference file at {path.parent}")
    cases = json.loads(path.read_text(encoding="utf-8"))
    assert len(cases) >= 79
    for case in cases:
        check(case)


@pytest.mark.parametrize(
    "row", INTERVALS, ids=lambda row: f"{row['data_of']}-{row['statistic']}-{row['options']}"
)
def test_published_standard_errors_and_intervals(row):
    number = number_of(BY_NAME[row["data_of"]], row["statistic"], row["options"])
    if row["value"] is not None:
        assert number.value == pytest.approx(row["value"], abs=6e-4)
        assert number.details["by_formula"][0]["standard_error"] == pytest.approx(
            row["se"], abs=6e-4
        )
    assert number.interval[0] == pytest.approx(row["lo"], abs=2e-3)
    assert number.interval[1] == pytest.approx(
        row["hi"], abs=6e-3 if row["value"] is None else 2e-3
    )


def test_the_test_of_chance_agreement_is_that_of_irr():
    test = number_of(BY_NAME["fleiss1971_fleiss"]).details["null_test"]
    assert test["z"] == pytest.approx(17.65183, abs=1e-4)
    assert test["method"] == "Fleiss, Nee & Landis 1979"
    unequal = number_of(BY_NAME["gwet4_ac1"], "fleiss_kappa", {})
    assert unequal.details["null_test"] is None


COMPLETE = arrays(np.int64, st.tuples(st.integers(3, 15), st.just(2)), elements=st.integers(0, 3))
WEIGHTS = {"none": None, "linear": "linear", "quadratic": "quadratic"}


@given(codes=COMPLETE, weights=st.sampled_from(sorted(WEIGHTS)))
def test_cohens_errors_and_interval_are_those_of_statsmodels(codes, weights):
    ours = agreement_of(codes.tolist(), "cohen_kappa", scale=range(4), weights=weights)
    assume(ours.value is not None)
    table = np.zeros((4, 4))
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        theirs = cohens_kappa(table, wt=WEIGHTS[weights])
    assume(theirs.std_kappa > 1e-6 and theirs.std_kappa0 > 1e-6)
    formula = ours.details["by_formula"][0]
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-12)
    assert formula["standard_error"] == pytest.approx(theirs.std_kappa, rel=1e-5)
    assert ours.interval[0] == pytest.approx(max(theirs.kappa_low, -1), abs=1e-6)
    assert ours.interval[1] == pytest.approx(min(theirs.kappa_upp, 1), abs=1e-6)
    assert ours.details["null_test"]["z"] == pytest.approx(theirs.z_value, rel=1e-6)


SOME_MISSING = st.lists(
    st.lists(st.none() | st.integers(1, 4), min_size=3, max_size=3), min_size=1, max_size=10
)


# Two readers who always disagree on two grades: the sums of images do not vary, nor do readers'.
ALWAYS_APART = [[1, 2], [2, 1], [1, 2], [2, 1]]


@given(ratings=SOME_MISSING, name=st.sampled_from([*FAMILIES, *MODELS]))
@example(ratings=ALWAYS_APART, name="ICC(A,1)")
@example(ratings=ALWAYS_APART[:3], name="ICC(A,1)")
def test_a_number_or_a_reason_never_nan(ratings, name):
    options = {"model": name} if name in MODELS else {}
    name = "icc" if options else name
    number = agreement_of(ratings, name, scale=(1, 2, 3, 4), **options)
    assert (number.value is None) == bool(number.reason)
    assert number.value is None or math.isfinite(number.value)
    for formula in number.details["by_formula"]:
        assert formula["method"]
        if formula["interval"] is None:
            assert formula["standard_error"] == 0
            continue
        low, high = formula["interval"]
        assert low <= high <= 1
        if formula["standard_error"] is not None:
            assert low <= number.value <= high


@pytest.mark.parametrize("images", [3, 4])
@pytest.mark.parametrize("model", MODELS)
def test_images_of_one_sum_have_no_interval_of_an_intraclass_correlation(model, images):
    number = agreement_of(ALWAYS_APART[:images], "icc", scale=(1, 2), model=model)
    values = {"ICC(1,1)": -1, "ICC(C,1)": -1, "ICC(A,1)": -2}
    expected = values.get(model)
    assert number.value == (None if expected is None else pytest.approx(expected))
    assert number.interval is None
    assert number.details["by_formula"] == []


def test_an_interval_of_the_mean_that_has_no_lower_bound_is_none():
    # Of one rating the interval reaches below -1, where that of the mean of two has its pole.
    one, mean = (
        agreement_of([[1, 1], [1, 2], [3, 2]], "icc", scale=(1, 2, 3), model=model)
        for model in ("ICC(A,1)", "ICC(A,k)")
    )
    assert mean.value == pytest.approx(2 / 3)
    assert one.interval[0] < -1
    assert mean.interval is None


@given(ratings=SOME_MISSING)
def test_nan_is_missing(ratings):
    with_nan = [[math.nan if cell is None else cell for cell in row] for row in ratings]
    once, again = (
        agreement_of(data, "fleiss_kappa", scale=(1, 2, 3, 4)) for data in (ratings, with_nan)
    )
    assert once == again


def test_one_image_has_a_value_and_no_interval():
    number = number_of(BY_NAME["one_subject_fleiss"])
    assert number.value == pytest.approx(-0.5)
    assert number.interval is None
    assert number.details["by_formula"] == []


def test_agreement_everywhere_has_no_interval_by_formula():
    number = number_of(BY_NAME["perfect_fleiss_kappa"])
    assert number.value == 1
    assert number.details["by_formula"][0]["standard_error"] == 0
    assert number.interval is None
    assert number.interval_method is None


def test_a_statistic_of_two_raters_says_so():
    for name in ("cohen_kappa", "scott_pi"):
        number = number_of(BY_NAME["fleiss1971_fleiss"], name, {})
        assert number.value is None
        assert number.reason == "it compares 2 raters, and there are 6"
    number = number_of(BY_NAME["rater_all_missing_fleiss"], "scott_pi", {})
    assert number.value == pytest.approx(0.48936, abs=1e-5)


def test_scott_and_randolph_are_fleiss_and_brennan_prediger_of_two():
    data = BY_NAME["wiki_cohen"]
    assert number_of(data, "scott_pi").value == number_of(data, "fleiss_kappa").value
    assert number_of(data, "randolph_kappa").value == number_of(data, "brennan_prediger").value


@pytest.mark.parametrize(
    ("scale", "value"), [((0, 1, 2), True), ((1, 2, 4), True), ((-1, 1, 2), False)]
)
def test_the_ratio_level_needs_a_zero_point(scale, value):
    a, b, c = scale
    data = [[a, a], [b, c], [c, c], [a, b]]
    number = agreement_of(data, "krippendorff_alpha", scale=scale, level="ratio")
    assert (number.value is not None) == value
    assert (
        value or number.reason == "the ratio level needs categories that are numbers from zero up"
    )


def test_the_ratio_level_by_hand():
    # Values 1,1 | 1,3: o = (2/4)^2 * 2 / 4; e: pairs 1-3 and 3-1 of 12 ordered ones: 2*3 / 12 / 4.
    number = agreement_of([[1, 1], [1, 3]], "krippendorff_alpha", scale=(1, 3), level="ratio")
    assert number.value == pytest.approx(1 - (0.25 * 2 / 4) / (0.25 * 6 / 12))


@pytest.mark.parametrize("name", [*FAMILIES, "icc"])
@pytest.mark.parametrize("ratings", [[], [[]], [[None, None]], [[1]], [[1], [2]]], ids=str)
def test_nothing_to_compare_is_a_reason(name, ratings):
    options = {"model": "ICC(3,k)"} if name == "icc" else {}
    number = agreement_of(ratings, name, scale=(1, 2), **options)
    assert number.value is None
    assert number.reason == "no image has ratings of two raters"
    assert number.n == 0


def test_observed_categories_leave_out_what_nobody_used():
    case = BY_NAME["anxiety23_linear_declared"]
    observed = number_of(case, options={"weights": "linear", "categories": "observed"})
    assert observed.value == pytest.approx(BY_NAME["anxiety23_linear"]["expected"], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kappa", {}, "no statistic 'kappa'. Choose one of percent_agreement"),
        ("cohen_kappa", {"weights": "cubic"}, "no weights 'cubic'"),
        ("cohen_kappa", {"weights": "agreement_matrix"}, "need a matrix of 3 x 3"),
        (
            "cohen_kappa",
            {"weights": "agreement_matrix", "matrix": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]},
            "must agree with itself",
        ),
        ("krippendorff_alpha", {"level": "circular"}, "no level 'circular'"),
        ("icc", {"model": "ICC(4,1)"}, "no model 'ICC(4,1)'"),
        ("cohen_kappa", {"categories": "all"}, "not 'declared' or 'observed'"),
    ],
)
def test_what_there_is_not(name, options, message):
    with pytest.raises(InputError) as raised:
        agreement_of([[1, 2], [3, 3]], name, scale=(1, 2, 3), **options)
    assert message in str(raised.value)


def test_an_undeclared_rating_names_row_and_column():
    with pytest.raises(InputError, match="row 2, column 1: 7 is none of the categories"):
        agreement_of([[1, 2], [7, 3]], "cohen_kappa", scale=(1, 2, 3))
    with pytest.raises(InputError, match="rows have 1 to 2 cells"):
        agreement_of([[1, 2], [1]], "cohen_kappa", scale=(1, 2, 3))
    with pytest.raises(InputError, match="lists a category twice"):
        agreement_of([[1, 2]], "cohen_kappa", scale=(1, 2, 2))
