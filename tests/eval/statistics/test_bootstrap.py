"""Resamples, percentile intervals, and that blocks bound memory without changing a result."""

import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest

from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import Plan, report_agreement
from eval.statistics.bootstrap import blocks, percentile_interval, resamples


def test_resamples_are_one_sequence_however_it_is_cut(monkeypatch):
    whole = np.concatenate(list(resamples(17, replicates=50, key=(3, 1))))
    monkeypatch.setattr("eval.statistics.bootstrap._BLOCK_CELLS", 17 * 7)
    blocks = list(resamples(17, replicates=50, key=(3, 1)))
    assert [len(block) for block in blocks] == [7] * 7 + [1]
    assert np.array_equal(np.concatenate(blocks), whole)
    assert (whole.sum(axis=1) == 17).all()
    assert not np.array_equal(whole, np.concatenate(list(resamples(17, replicates=50, key=(3, 2)))))


def test_wide_rows_make_shorter_blocks():
    assert [len(rows) for rows in blocks(5000, 1000)] == [2097, 2097, 806]
    assert [len(rows) for rows in blocks(3, 1 << 30)] == [1, 1, 1]
    of_wide = resamples(17, replicates=50, key=(3, 1), columns=100_000)
    assert [len(block) for block in of_wide] == [20, 20, 10]


@pytest.mark.parametrize("options", [{}, {"resample_raters": True}, {"paired": True}], ids=str)
def test_blocks_do_not_change_a_result(tmp_path, monkeypatch, options):
    ratings = np.random.default_rng(1).integers(0, 5, (2, 12, 3))
    ratings_file = write(tmp_path / "r.csv", ratings)
    whole = numbers_of(ratings_file, 5, replicates=60, **options)
    monkeypatch.setattr("eval.statistics.bootstrap._BLOCK_CELLS", 300)
    assert_near(numbers_of(ratings_file, 5, replicates=60, **options), whole)


def write(path, ratings):
    """Ratings (arms, images, raters) from 0 up; 4 of the last rater is missing."""
    lines = ["image,arm,R1,R2,R3"]
    for arm, rated in zip(("real", "synthetic"), ratings.tolist(), strict=True):
        for image, (first, second, third) in enumerate(rated):
            lines.append(f"i{image},{arm},{first},{second},{'' if third == 4 else third}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbers_of(path, grades, **options):
    ratings = read_ratings(path, tuple(map(str, range(grades))))
    return [asdict(number) for number in report_agreement(ratings, Plan(**options)).numbers]


def assert_near(found, expected):
    """Equal, but for the last digits of floats."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        for one, other in zip(found, expected, strict=True):
            assert_near(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-8)
    else:
        assert found == expected


def test_a_scale_of_a_thousand_grades_fits_into_memory(tmp_path):
    random = np.random.default_rng(9)
    truth, noise = random.integers(10, 990, (2, 80, 1)), random.integers(0, 9, (2, 80, 3))
    path = write(tmp_path / "r.csv", truth + noise)
    tracemalloc.start()
    try:
        numbers = numbers_of(path, 1001, replicates=20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 256 * 2**20
    alphas = [n["value"] for n in numbers if n["name"] == "krippendorff_alpha_interval"]
    assert min(alphas[:2]) > 0.99


def test_percentile_interval_leaves_undefined_replicates_out():
    values = np.array([np.nan, *np.arange(101.0)])
    assert percentile_interval(values, 0.9) == pytest.approx((5, 95))
    assert percentile_interval(np.array([np.nan]), 0.9) is None
