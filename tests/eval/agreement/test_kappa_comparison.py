"""Two independent κ compared, beside statsmodels and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from eval.agreement.coefficients.value import agreement_of
from eval.agreement.kappa_comparison import compare_kappas
from eval.agreement.plan import Plan
from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import report_agreement
from hpc.errors import InputError

# Fleiss, Levin & Paik 2003, table 18.1: two raters put 100 subjects into three diagnoses.
DIAGNOSES = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
OTHERS = [[40, 9, 6], [8, 12, 3], [5, 4, 13]]


def test_the_numbers_beside_those_of_statsmodels():
    one, other = cohens_kappa(np.array(DIAGNOSES)), cohens_kappa(np.array(OTHERS))
    assert (one.kappa, one.std_kappa) == pytest.approx((0.676, 0.0877), abs=5e-4)
    found = compare_kappas((one.kappa, one.std_kappa), (other.kappa, other.std_kappa))
    error = np.sqrt(one.var_kappa + other.var_kappa)
    assert found.difference == pytest.approx(one.kappa - other.kappa)
    assert found.z == pytest.approx((one.kappa - other.kappa) / error)
    assert found.p_two_sided == pytest.approx(2 * stats.norm.sf(abs(found.z)))
    assert found.interval == pytest.approx(
        stats.norm.interval(0.95, loc=found.difference, scale=error)
    )


def rows_of(table, arm):
    cells = [(a, b) for a, row in enumerate(table) for b, n in enumerate(row) for _ in range(n)]
    return [f"{arm}{n},{arm},{a + 1},{b + 1}" for n, (a, b) in enumerate(cells)]


def report(tmp_path, rows, header="image,arm,R1,R2", **options):
    path = tmp_path / "r.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return report_agreement(read_ratings(path, ("1", "2", "3")), Plan(replicates=20, **options))


def test_arms_of_a_table_are_compared(tmp_path):
    result = report(tmp_path, rows_of(DIAGNOSES, "real") + rows_of(OTHERS, "synthetic"))
    rows = {(row["statistic"], row["compared"]): row for row in result.tables["independent_kappas"]}
    row = rows["cohen_kappa", "pairs of raters"]
    one, other = cohens_kappa(np.array(DIAGNOSES)), cohens_kappa(np.array(OTHERS))
    expected = compare_kappas((one.kappa, one.std_kappa), (other.kappa, other.std_kappa))
    assert row["difference"] == pytest.approx(expected.difference)
    assert row["standard_error"] == pytest.approx(expected.standard_error, rel=1e-6)
    assert row["z"] == pytest.approx(expected.z, rel=1e-6)
    assert row["p_two_sided"] == pytest.approx(expected.p_two_sided, rel=1e-5)
    assert row["interval"] == pytest.approx(expected.interval, rel=1e-5)
    assert row["images"] == {"real": 100, "synthetic": 100}
    assert row["method"] == (
        "Fleiss, Levin & Paik 2003, 18.1; errors: Fleiss, Cohen & Everitt 1969, normal"
    )
    assert {"light_kappa", "fleiss_kappa", "gwet_ac1"} <= {name for name, _ in rows}
    assert not any(name.startswith("ICC") for name, _ in rows)


def test_pairs_of_other_raters_are_compared_only_if_there_is_one(tmp_path):
    real = [f"r{n},{reader},{n % 3 + 1},real" for n in range(12) for reader in ("A", "B")]
    real[0] = "r0,A,2,real"
    synthetic = [f"s{n},{r},{n % 3 + 1},synthetic" for n in range(12) for r in ("C", "D")]
    synthetic[0] = "s0,C,3,synthetic"
    header = "image,rater,rating,arm"
    rows = report(tmp_path, real + synthetic, header).tables["independent_kappas"]
    (cohen,) = [row for row in rows if row["statistic"] == "cohen_kappa"]
    assert cohen["raters"] == {"real": ["A", "B"], "synthetic": ["C", "D"]}
    third = [f"s{n},B,{(n + n // 6) % 3 + 1},synthetic" for n in range(12)]
    rows = report(tmp_path, real + synthetic + third, header).tables["independent_kappas"]
    assert {row["compared"] for row in rows} == {"all raters"}


def test_images_that_are_not_independent_are_not_compared_so(tmp_path):
    rows = [f"i{n},{arm},{n % 3 + 1},{n * n % 3 + 1}" for arm in ("real", "synthetic")
            for n in range(12)]  # fmt: skip
    groups = tmp_path / "g.csv"
    groups.write_text("tile,patient\n" + "".join(f"i{n},p{n // 2}\n" for n in range(12)))
    assert report(tmp_path, rows).tables["independent_kappas"]
    assert report(tmp_path, rows, paired=True).tables["independent_kappas"] == []
    assert report(tmp_path, rows, groups=groups).tables["independent_kappas"] == []


@pytest.mark.parametrize("errors", [(0, 0.1), (0.1, 0), (-1, 0.1), (float("nan"), 0.1)])
def test_kappas_without_error_are_not_compared(errors):
    with pytest.raises(InputError, match="both must be above 0"):
        compare_kappas((1, errors[0]), (0.5, errors[1]))


@given(*(st.floats(-1, 1) for _ in range(2)), *(st.floats(0.01, 1) for _ in range(2)))
def test_turned_round_it_is_the_same(one, other, error, other_error):
    found = compare_kappas((one, error), (other, other_error))
    turned = compare_kappas((other, other_error), (one, error))
    assert (found.difference, found.z) == pytest.approx((-turned.difference, -turned.z))
    assert found.p_two_sided == pytest.approx(turned.p_two_sided)
    assert 0 <= found.p_two_sided <= 1
    assert (found.interval[0] <= 0 <= found.interval[1]) == (found.p_two_sided >= 0.05) or (
        found.p_two_sided == pytest.approx(0.05)
    )


def test_equal_kappas_differ_about_as_often_as_the_level_says():
    random, significant = np.random.default_rng(0), 0
    for _ in range(200):
        pair = []
        for _ in range(2):
            truth = random.integers(0, 3, 120)
            wrong = random.random((120, 2)) < 0.3
            read = np.where(wrong, random.integers(0, 3, (120, 2)), truth[:, None])
            number = agreement_of(read.tolist(), "cohen_kappa", scale=[0, 1, 2])
            pair.append((number.value, number.details["by_formula"][0]["standard_error"]))
        significant += compare_kappas(*pair).p_two_sided < 0.05
    assert 3 <= significant <= 20
