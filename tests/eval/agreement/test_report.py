"""The result of a ratings file: arms, pairs, intervals, warnings, undefined statistics."""

import json
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from eval.agreement.coefficients.chance_corrected import fleiss_kappa
from eval.agreement.coefficients.sample import Sample, patterns
from eval.agreement.coefficients.weights import disagreements
from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import DIFFERENCE, Plan, report_agreement
from eval.statistics.bootstrap import resamples
from hpc.errors import DatasetError

SCALE = ("1", "2", "3", "4", "5")


def rows_of(seed, images, raters, prefix="", arm=None):
    random = np.random.default_rng(seed)
    rows = []
    for image in range(images):
        truth = random.integers(1, 6)
        for rater in range(raters):
            rating = np.clip(truth + random.integers(-1, 2), 1, 5)
            cells = [f"{prefix}i{image:02d}", f"R{rater + 1}", str(rating)]
            rows.append(",".join(cells + ([arm] if arm else [])))
    return rows


def write(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def ratings_file(tmp_path):
    return write(tmp_path / "ratings.csv", "image,rater,rating", rows_of(0, 30, 3))


def report(path, scale=SCALE, replicates=200, seed=0, **options):
    ratings = read_ratings(path, scale)
    return report_agreement(ratings, Plan(replicates=replicates, seed=seed, **options))


def test_every_number_says_how_it_was_made(ratings_file):
    result = report(ratings_file)
    assert result.settings["categories"] == list(SCALE)
    assert result.settings["categories_from"] == "declared"
    assert len(result.numbers) == 20 + 3 * 5
    for number in result.numbers:
        low, high = number.interval
        assert low < number.value < high
        assert number.n == 30
        assert number.method
        assert number.interval_level == 0.95
        assert number.interval_method == "percentile bootstrap over images"
        assert number.details["replicates"] == 200
        assert number.details["undefined_replicates"] == 0
    (few,) = result.warnings
    assert "fewer than 50 images (30) tend to be too narrow" in few


def test_the_interval_is_that_of_a_loop_over_resampled_files(ratings_file):
    codes, counts = patterns(read_ratings(ratings_file, SCALE).arms[0].codes_IR)
    values = []
    for times in next(resamples(30, replicates=200, key=(7, 0), counts=counts)):
        drawn = np.repeat(codes, times.astype(int), axis=0)
        values.append(fleiss_kappa(Sample.observed(drawn, 5), disagreements("none", 5))[0])
    fleiss = next(n for n in report(ratings_file, seed=7).numbers if n.name == "fleiss_kappa")
    assert fleiss.interval == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_same_seed_same_result_another_seed_another_interval(ratings_file):
    once, again, other = (report(ratings_file, seed=seed) for seed in (1, 1, 2))
    assert once == again
    for a, b in zip(once.numbers, other.numbers, strict=True):
        assert a.value == b.value
        assert (a.interval != b.interval) or a.details["compared"] != "all raters"


def test_the_order_of_rows_does_not_matter(ratings_file, tmp_path):
    header, *rows = ratings_file.read_text(encoding="utf-8").splitlines()
    shuffled = write(tmp_path / "shuffled.csv", header, rows[::-1])
    assert report(ratings_file).numbers == report(shuffled).numbers


def test_arms_are_reported_one_by_one_and_do_not_touch_each_other(tmp_path):
    real, synthetic = rows_of(1, 25, 3, arm="real"), rows_of(2, 25, 3, arm="synthetic")
    header = "image,rater,rating,arm"
    both = report(write(tmp_path / "both.csv", header, real + synthetic))
    changed = report(write(tmp_path / "real.csv", header, real + synthetic[:30]))

    def of(result, arm):
        return [number for number in result.numbers if number.details["arm"] == arm]

    assert [number.details["arm"] for number in both.numbers] == ["real"] * 35 + [
        "synthetic"
    ] * 35 + [DIFFERENCE] * 20
    assert of(both, "real") == of(changed, "real")
    assert of(both, "synthetic") != of(changed, "synthetic")
    alone = [line.removesuffix(",real") for line in real]
    pooled = report(write(tmp_path / "alone.csv", "image,rater,rating", alone))
    values = [number.value for number in pooled.numbers]
    assert values == [number.value for number in of(both, "real")]


def test_an_empty_arm_has_reasons_and_a_warning(tmp_path):
    rows = rows_of(1, 25, 3, arm="real")
    result = report(write(tmp_path / "r.csv", "image,rater,rating,arm", rows))
    synthetic = [number for number in result.numbers if number.details["arm"] == "synthetic"]
    assert len(synthetic) == 20
    assert {number.value for number in synthetic} == {None}
    assert {number.reason for number in synthetic} == {"no image has ratings of two raters"}
    assert "Arm synthetic: no rated image." in result.warnings


def test_one_image_has_values_but_no_interval(tmp_path):
    result = report(write(tmp_path / "r.csv", "image,R1,R2", ["a,1,2"]))
    fleiss = next(number for number in result.numbers if number.name == "fleiss_kappa")
    assert fleiss.value == -1
    assert fleiss.interval is None
    assert fleiss.interval_method is None
    assert fleiss.details["interval_note"] == "no interval from a single image"


def test_one_rater_is_undefined_throughout(tmp_path):
    result = report(write(tmp_path / "r.csv", "image,R1", ["a,1", "b,2"]))
    assert len(result.numbers) == 20
    assert {number.reason for number in result.numbers} == {"no image has ratings of two raters"}


def test_undefined_replicates_are_counted_and_left_out(tmp_path):
    rows = [f"i{image},1,1" for image in range(20)] + ["x,2,2"]
    result = report(write(tmp_path / "r.csv", "image,R1,R2", rows), replicates=500)
    fleiss = next(number for number in result.numbers if number.name == "fleiss_kappa")
    undefined = fleiss.details["undefined_replicates"]
    # A replicate without image x has one category only: chance (20/21)^21 = 0.36.
    assert 0.26 < undefined / 500 < 0.46
    assert (fleiss.value, fleiss.interval) == (1, None)
    assert f"undefined in {undefined} of 500 replicates" in fleiss.details["interval_note"]
    assert "all replicates alike, so no interval" in fleiss.details["interval_note"]


def test_an_undefined_value_has_no_interval(tmp_path):
    rows = [f"i{image},1,1" for image in range(20)]
    result = report(write(tmp_path / "r.csv", "image,R1,R2", rows))
    by_name = {number.name: number for number in result.numbers}
    assert by_name["percent_agreement"].value == 1
    assert by_name["cohen_kappa_linear"].value is None
    assert by_name["cohen_kappa_linear"].interval is None
    assert by_name["cohen_kappa_linear"].reason.startswith("0/0")
    assert by_name["cohen_kappa_linear"].details["undefined_replicates"] == 200


def test_a_pair_counts_the_images_both_rated(tmp_path):
    rows = [
        f"i{image:02d},{image % 3 + 1},{image % 4 + 1},{'' if image > 5 else 2}"
        for image in range(24)
    ]
    result = report(write(tmp_path / "r.csv", "image,R1,R2,R3", rows))
    pairs = {
        tuple(number.details["raters"]): number.n
        for number in result.numbers
        if number.details["compared"] == "pairs of raters"
    }
    assert pairs == {("R1", "R2"): 24, ("R1", "R3"): 6, ("R2", "R3"): 6}
    partly, stopped, _ = result.warnings
    assert partly == "Ratings: not everyone rated all 24 images: R3 6."
    assert "R3 seems to have stopped after 6 of 24 images" in stopped
    assert "the last is 'i05'" in stopped


def test_warnings(tmp_path):
    rows = ["a,1,2", "b,2,", "c,,"]
    path = write(tmp_path / "r.csv", "image,Jane Doe,jd@example.org", rows)
    scale, people, unrated, partly, few = report(path, scale=None).warnings
    assert "in this order: 1,2." in scale
    assert people.startswith("2 of 2 rater ids look like names")
    assert "Jane" not in people
    assert unrated == "Ratings: images without any rating, left out: 1."
    assert partly.endswith("jd@example.org 1.")
    assert "fewer than 50 images (1 of 2 with two ratings or more)" in few


def half_read(images, read):
    """R1 rates all images, R2 the first `read` of them."""
    return [f"i{n:02d},{n % 3 + 1},{n % 4 + 1 if n < read else ''}" for n in range(images)]


def test_an_image_with_one_rating_is_not_one_more_image(tmp_path):
    path = write(tmp_path / "r.csv", "image,R1,R2", half_read(60, 28))
    few = report(path, replicates=20).warnings[-1]
    assert "fewer than 50 images (28 of 60 with two ratings or more) tend to be too narrow" in few
    alone = report(write(tmp_path / "one.csv", "image,R1", ["a,1", "b,2"]), replicates=20)
    assert alone.warnings == ()


def test_a_patient_with_single_ratings_is_not_one_more_patient(tmp_path):
    path = write(tmp_path / "r.csv", "image,R1,R2", half_read(60, 28))
    groups = write(tmp_path / "p.csv", "tile,patient", [f"i{n:02d},p{n}" for n in range(60)])
    few = report(path, replicates=20, groups=groups).warnings[-1]
    assert few == "Intervals from fewer than 50 patients (28) tend to be too narrow."


def test_pairs_that_share_few_images_are_pointed_out(tmp_path):
    rows = [f"{row},{n % 5 + 1}" for n, row in enumerate(half_read(60, 28))]
    result = report(write(tmp_path / "r.csv", "image,R1,R2,R3", rows), replicates=20)
    assert result.warnings[-1].startswith(
        "Ratings: 2 of 3 pairs of raters share fewer than 50 images (fewest: R1 and R2, 28): "
    )
    full = write(tmp_path / "full.csv", "image,R1,R2", half_read(60, 60))
    assert report(full, replicates=20).warnings == ()


def test_a_rater_without_any_rating_is_named(tmp_path):
    rows = [f"{row},," for row in half_read(60, 60)]
    table = write(tmp_path / "r.csv", "image,Kim,Lee,Sam,Jane Doe", rows)
    result = report(table, replicates=20)
    people, silent = result.warnings
    assert people.startswith("1 of 4 rater ids look like names")
    assert silent.startswith("Without any rating, so left out: Jane Doe, Sam.")
    assert result.inputs["raters_without_rating"] == ["Jane Doe", "Sam"]
    assert list(result.inputs["arms"][0]["raters"]) == ["Kim", "Lee"]


def test_a_reader_who_skips_here_and_there_has_not_stopped(tmp_path):
    rows = [f"i{image},1,{'' if image % 3 else 2}" for image in range(22)]
    warnings = report(write(tmp_path / "r.csv", "image,R1,R2", rows)).warnings
    assert not any("stopped" in warning for warning in warnings)


def test_gaps_everywhere_that_happen_to_end_the_file_are_no_stop(tmp_path):
    gaps = {2, 5, 8, 11, 14, 17, 20, 22, 23, 24}
    rows = [f"i{image:02d},1,{'' if image in gaps else 2}" for image in range(25)]
    warnings = report(write(tmp_path / "r.csv", "image,R1,R2", rows)).warnings
    assert not any("stopped" in warning for warning in warnings)


def test_stopping_is_seen_in_the_order_of_the_file(tmp_path):
    images = ["z", "k", "a", "m", "b", "c", "x"]
    rows = [f"{image},R1,1" for image in images] + [f"{image},R2,2" for image in images[:3]]
    warnings = report(write(tmp_path / "r.csv", "image,rater,rating", rows)).warnings
    assert any("R2 seems to have stopped after 3 of 7" in warning for warning in warnings)
    assert any("the last is 'a'" in warning for warning in warnings)


def test_drawing_raters_too_widens_intervals_of_three_and_more(tmp_path):
    path = write(tmp_path / "r.csv", "image,rater,rating", rows_of(3, 60, 5))
    images_only, raters_too = (
        report(path, resample_raters=resample, replicates=400) for resample in (False, True)
    )
    assert raters_too.settings["resampled"] == "images and raters"
    for one, other in zip(images_only.numbers, raters_too.numbers, strict=True):
        assert one.value == other.value
        if other.interval_method == "percentile bootstrap over images":
            assert one.interval == other.interval
            assert other.name.startswith("ICC") or len(other.details["raters"]) == 2
    fleiss = [
        next(n for n in result.numbers if n.name == "fleiss_kappa")
        for result in (images_only, raters_too)
    ]
    width, wider = (number.interval[1] - number.interval[0] for number in fleiss)
    assert fleiss[1].interval_method == "percentile bootstrap over images and raters"
    assert wider > width


def test_two_raters_cannot_be_drawn_and_are_not_said_to_be(tmp_path):
    path = write(tmp_path / "r.csv", "image,rater,rating", rows_of(3, 60, 2))
    images_only, raters_too = (report(path, resample_raters=asked) for asked in (False, True))
    assert raters_too.settings["resampled"] == "images"
    assert raters_too.numbers == images_only.numbers
    (warning,) = set(raters_too.warnings) - set(images_only.warnings)
    assert warning.startswith("Raters are not drawn, only images: --resample-raters needs")


def write_groups(path, images, per_patient):
    lines = [f"i{image:02d},p{image // per_patient}" for image in range(images)]
    return write(path, "tile,patient", lines)


def test_whole_patients_are_drawn(ratings_file, tmp_path):
    groups = write_groups(tmp_path / "patients.csv", 30, 3)
    result = report(ratings_file, groups=groups, seed=7)
    fleiss = next(number for number in result.numbers if number.name == "fleiss_kappa")
    codes = read_ratings(ratings_file, SCALE).arms[0].codes_IR
    values = []
    for times in next(resamples(10, replicates=200, key=(7, 0))):
        drawn = np.repeat(codes, np.repeat(times, 3).astype(int), axis=0)
        values.append(fleiss_kappa(Sample.observed(drawn, 5), disagreements("none", 5))[0])
    assert fleiss.interval == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert fleiss.interval_method == "percentile bootstrap over patients"
    assert fleiss.details["by_formula"] == []
    assert result.settings["resampled"] == "patients"
    assert len(result.inputs["groups_sha256"]) == 64
    assert any("fewer than 50 patients (10)" in warning for warning in result.warnings)


def test_a_patient_is_drawn_in_both_arms_at_once(tmp_path):
    alike = rows_of(5, 24, 3)
    rows = [f"{line},{arm}" for arm in ("real", "synthetic") for line in alike]
    path = write(tmp_path / "r.csv", "image,rater,rating,arm", rows)
    result = report(path, groups=write_groups(tmp_path / "patients.csv", 24, 2))
    fleiss = [number for number in result.numbers if number.name == "fleiss_kappa"]
    assert fleiss[0].interval == fleiss[1].interval
    assert fleiss[2].value == 0
    assert fleiss[2].details["interval_note"] == "all replicates alike, so no interval"
    assert fleiss[2].details["permutation_test"] is None
    assert "patient" in fleiss[2].details["permutation_note"]


def test_an_image_without_a_patient_is_an_error(ratings_file, tmp_path):
    groups = write_groups(tmp_path / "patients.csv", 29, 3)
    with pytest.raises(DatasetError, match="says nothing of 1 images, for instance 'i29'"):
        report(ratings_file, groups=groups)


# R1, R2 and R3 rate eight images; R2 missed the last one, R3 the first two.
PANEL = [(1, 1, ""), (1, 2, ""), (2, 2, 2), (2, 3, 2), (3, 3, 1), (5, 3, 5), (5, 5, 1), (3, "", 3)]


def panel_tables(tmp_path):
    rows = [f"{arm[0]}{image},{arm},{','.join(map(str, ratings))}"
            for arm, panel in (("real", PANEL), ("synthetic", PANEL[:4]))
            for image, ratings in enumerate(panel)]  # fmt: skip
    return report(write(tmp_path / "r.csv", "image,arm,R1,R2,R3", rows), replicates=20).tables


def test_marginals_are_what_each_rater_chose(tmp_path):
    marginals = panel_tables(tmp_path)["marginals"]
    found = [
        (row["arm"], row["rater"], row["ratings"], row["missing"], row["counts"])
        for row in marginals
    ]
    assert found == [
        ("real", "R1", 8, 0, {"1": 2, "2": 2, "3": 2, "4": 0, "5": 2}),
        ("real", "R2", 7, 1, {"1": 1, "2": 2, "3": 3, "4": 0, "5": 1}),
        ("real", "R3", 6, 2, {"1": 2, "2": 2, "3": 1, "4": 0, "5": 1}),
        ("synthetic", "R1", 4, 0, {"1": 2, "2": 2, "3": 0, "4": 0, "5": 0}),
        ("synthetic", "R2", 4, 0, {"1": 1, "2": 2, "3": 1, "4": 0, "5": 0}),
        ("synthetic", "R3", 2, 2, {"1": 0, "2": 2, "3": 0, "4": 0, "5": 0}),
    ]


def test_the_matrix_of_pairs_holds_what_scikit_learn_finds_on_the_images_both_rated(tmp_path):
    tables = panel_tables(tmp_path)["pairwise"]
    assert [(table["arm"], table["statistic"]) for table in tables] == [
        (arm, name)
        for arm in ("real", "synthetic")
        for name in (
            "percent_agreement",
            "cohen_kappa",
            "cohen_kappa_linear",
            "cohen_kappa_quadratic",
            "scott_pi",
        )
    ]
    values = {table["statistic"]: table["values"] for table in tables if table["arm"] == "real"}
    assert all(table["raters"] == ["R1", "R2", "R3"] for table in tables)
    for one, other in combinations(range(3), 2):
        both = [(row[one], row[other]) for row in PANEL if row[one] != "" and row[other] != ""]
        first, second = zip(*both, strict=True)
        agreed = np.mean([a == b for a, b in both])
        expected = {"percent_agreement": agreed} | {
            f"cohen_kappa{'_' if weights else ''}{weights or ''}": cohen_kappa_score(
                first, second, labels=range(1, 6), weights=weights
            )
            for weights in (None, "linear", "quadratic")
        }
        for name, value in expected.items():
            assert values[name][one][other] == pytest.approx(value)
            assert values[name][other][one] == values[name][one][other]
    assert [values["cohen_kappa"][rater][rater] for rater in range(3)] == [None] * 3
    distinct = {
        round(values["cohen_kappa"][one][other], 9) for one, other in ((0, 1), (0, 2), (1, 2))
    }
    assert len(distinct) == 3


def test_an_undefined_pair_is_an_empty_cell(tmp_path):
    rows = ["a,1,1,1", "b,1,1,2", "c,1,1,3"]
    tables = report(write(tmp_path / "r.csv", "image,R1,R2,R3", rows), replicates=20).tables
    kappa = next(table for table in tables["pairwise"] if table["statistic"] == "cohen_kappa")
    assert kappa["values"] == [[None, None, 0.0], [None, None, 0.0], [0.0, 0.0, None]]


# By arm: everyone always disagrees, alternating; one image; everyone always agrees.
HARD = {
    "apart": [(1, 2), (2, 1), (1, 2), (2, 1)],
    "single": [(1, 2)],
    "alike": [(1, 1), (1, 1), (1, 1)],
    "none": [],
}


@pytest.mark.parametrize("synthetic", HARD)
@pytest.mark.parametrize("real", ["apart", "single", "alike"])
def test_hard_ratings_make_json_without_nan(tmp_path, real, synthetic):
    rows = [
        f"{arm}{image},{arm},{first},{second}"
        for arm, name in (("real", real), ("synthetic", synthetic))
        for image, (first, second) in enumerate(HARD[name])
    ]
    path = write(tmp_path / "r.csv", "image,arm,R1,R2", rows)
    saved = saved_json(report(path, replicates=50, margin=0.1), tmp_path / "out.json")
    for number in saved["numbers"]:
        assert (number["value"] is None) == bool(number["reason"])


def test_the_result_is_json_without_nan(tmp_path, ratings_file):
    saved = saved_json(report(ratings_file), tmp_path / "out.json")
    assert saved["kind"] == "agreement"
    assert saved["inputs"]["arms"][0]["raters"] == {"R1": 30, "R2": 30, "R3": 30}
    assert len(saved["inputs"]["sha256"]) == 64


def saved_json(result, path):
    """What a strict reader of JSON reads: Python's own takes NaN and Infinity."""
    result.save(path)
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
