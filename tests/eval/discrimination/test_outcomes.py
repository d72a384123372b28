"""What is measured of readers, against independent computations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from eval.discrimination.outcomes import OF_IMAGES, OF_PAIRS, measure
from eval.discrimination.panel import Panel
from eval.discrimination.simulated import Readers
from eval.statistics.roc import areas
from eval.statistics.signal_detection import yes_no_sensitivity


def panel_of(seed=0, readers=3, images=30, **options):
    return Readers(dprime=1.0, dprime_spread=0.5, **options).panel(
        readers, images, np.random.default_rng(seed)
    )


def with_gaps(panel, seed=1, share=0.2):
    ratings_IR = panel.ratings_IR.copy()
    ratings_IR[np.random.default_rng(seed).random(ratings_IR.shape) < share] = np.nan
    return replace(panel, ratings_IR=ratings_IR)


def test_the_panel_of_stanislaw_and_todorov():
    """20 hits of 25 and 10 false alarms of 25: d' 1.09, c -0.29 (1999), here log-linear."""
    ratings = np.repeat([2, 1, 2, 1], [20, 5, 10, 15]).astype(float)
    panel = Panel(
        block="naive", readers=("R1",), images=tuple(map(str, range(50))),
        positive_I=np.arange(50) < 25, ratings_IR=ratings[:, None], middle=1.5,
    )  # fmt: skip
    expected = yes_no_sensitivity(20.5, 5.5, 10.5, 15.5)
    assert measure("dprime", panel).values_R[0] == pytest.approx(expected.dprime)
    assert measure("criterion", panel).values_R[0] == pytest.approx(expected.c)
    assert expected.dprime == pytest.approx(1.0949, abs=0.06)
    shares = [
        measure(name, panel).values_R[0] for name in ("sensitivity", "specificity", "accuracy")
    ]
    assert shares == pytest.approx([0.8, 0.6, 0.7])


@pytest.mark.parametrize("gaps", [False, True])
def test_areas_are_those_of_scikit_learn(gaps):
    panel = with_gaps(panel_of()) if gaps else panel_of()
    for value, ratings_I in zip(measure("auc", panel).values_R, panel.ratings_IR.T, strict=True):
        known = ~np.isnan(ratings_I)
        assert value == pytest.approx(roc_auc_score(panel.positive_I[known], ratings_I[known]))


def test_covariances_of_areas_are_delongs():
    panel = panel_of()
    yes, no = panel.ratings_IR[panel.positive_I], panel.ratings_IR[~panel.positive_I]
    np.testing.assert_allclose(
        measure("auc", panel).covariances(panel), areas(yes.T, no.T).covariance_RR
    )


def test_covariances_of_shares_are_binomial():
    panel = panel_of()
    found = measure("sensitivity", panel)
    p, m = found.values_R, panel.positive_I.sum()
    np.testing.assert_allclose(found.covariances(panel).diagonal(), p * (1 - p) / (m - 1))
    right = panel.correct[panel.positive_I]
    np.testing.assert_allclose(found.covariances(panel), np.cov(right.T) / m)


@pytest.mark.parametrize("name", [*OF_IMAGES, *OF_PAIRS])
@pytest.mark.parametrize("gaps", [False, True])
def test_influences_are_what_a_jackknife_finds(name, gaps):
    """Leaving an image out changes a statistic by its influence, to first order."""
    population = Readers(dprime=1.0, dprime_spread=0.5)
    draw = population.pairs if name == "pairs" else population.panel
    panel = draw(3, 400, np.random.default_rng(0))
    panel = with_gaps(panel) if gaps else panel
    whole = measure(name, panel)
    found, expected = [], []
    for image in range(0, 400, 9):
        kept = np.arange(400) != image
        less = replace(
            panel, images=tuple(np.array(panel.images)[kept]), positive_I=panel.positive_I[kept],
            ratings_IR=panel.ratings_IR[kept],
        )  # fmt: skip
        change = whole.values_R - measure(name, less).values_R
        if name == "accuracy":
            # There the shares of the arms are fixed by the design; leaving one out changes them.
            change = change - _change_of_design(panel, less)
        found.append(whole.influence_RI[:, image])
        expected.append(change)
    np.testing.assert_allclose(found, expected, atol=0.0003 if name != "dprime" else 0.001)


def _change_of_design(panel, less):
    """Of accuracy, by another share of the arms alone."""
    yes, no = (measure(name, panel).values_R for name in ("sensitivity", "specificity"))

    def weighted(of):
        share = (of.answered & of.positive_I[:, None]).sum(axis=0) / of.answered.sum(axis=0)
        return yes * share + no * (1 - share)

    return weighted(panel) - weighted(less)


def test_the_variance_over_patients_is_obuchowskis():
    """By the sums of her paper (Biometrics 1997;53:567), of one reader, with loops."""
    panel = panel_of(images=60, readers=1)
    group_I = np.random.default_rng(0).permutation(np.arange(60) % 12)
    group_I[panel.positive_I] = np.arange(30) % 12
    group_I[~panel.positive_I] = np.arange(30) % 12
    panel = replace(panel, group_I=group_I)
    x, y = panel.ratings_IR[panel.positive_I, 0], panel.ratings_IR[~panel.positive_I, 0]
    of_x, of_y = group_I[panel.positive_I], group_I[~panel.positive_I]
    kernel = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    m, n, area = len(x), len(y), kernel.mean()
    v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
    s10 = s01 = s11 = 0.0
    for one in range(12):
        a = v10[of_x == one].sum() - (of_x == one).sum() * area
        b = v01[of_y == one].sum() - (of_y == one).sum() * area
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    factor = 12 / 11
    expected = factor / m * s10 / m + factor / n * s01 / n + 2 / (m * n) * factor * s11
    assert measure("auc", panel).covariances(panel)[0, 0] == pytest.approx(expected)


def test_patients_drawn_whole_give_wider_intervals_where_their_images_are_alike():
    random = np.random.default_rng(0)
    panel = panel_of(images=40)
    doubled = replace(
        panel, images=tuple(map(str, range(160))), positive_I=np.tile(panel.positive_I, 4),
        ratings_IR=np.tile(panel.ratings_IR, (4, 1)), group_I=np.tile(np.arange(40), 4),
    )  # fmt: skip
    whole = measure("auc", doubled).covariances(doubled)
    loose = measure("auc", doubled).covariances(replace(doubled, group_I=None))
    np.testing.assert_allclose(whole, loose * 4, rtol=0.08)
    # Of patients whose images have nothing in common, it is much the same.
    mixed = replace(doubled, ratings_IR=panel_of(images=160).ratings_IR,
                    group_I=random.permutation(np.repeat(np.arange(40), 4)))  # fmt: skip
    ratio = (measure("auc", mixed).covariances(mixed)
             / measure("auc", replace(mixed, group_I=None)).covariances(
                 replace(mixed, group_I=None)))  # fmt: skip
    assert 0.5 < ratio.diagonal().mean() < 1.6


def test_who_read_one_arm_only_has_no_value():
    panel = panel_of()
    ratings_IR = panel.ratings_IR.copy()
    ratings_IR[panel.positive_I, 1] = np.nan
    panel = replace(panel, ratings_IR=ratings_IR)
    for name in OF_IMAGES:
        values = measure(name, panel).values_R
        assert np.isnan(values[1]) == (name != "specificity"), name
        assert not np.isnan(values[[0, 2]]).any()


@settings(max_examples=30)
@given(dprime=st.floats(-1, 2), bias=st.floats(-1, 1))
def test_expected_values_are_those_of_signal_detection(dprime, bias):
    sure = Readers(dprime=dprime, dprime_spread=0.0, bias_spread=0.0, levels=1)
    assert sure.expected("accuracy") == pytest.approx(norm.cdf(dprime / 2))
    # With two grades the area is that under a triangle.
    assert sure.expected("auc") == pytest.approx(norm.cdf(dprime / 2))
    assert sure.expected("pairs") == pytest.approx(norm.cdf(dprime / 2**0.5))


@pytest.mark.parametrize("outcome", ["auc", "accuracy", "pairs", "dprime"])
def test_expected_values_are_means_of_large_studies(outcome):
    population = Readers(dprime=0.7, dprime_spread=0.4)
    random = np.random.default_rng(0)
    draw = population.pairs if outcome == "pairs" else population.panel
    values = [measure(outcome, draw(20, 400, random)).values_R.mean() for _ in range(25)]
    assert np.mean(values) == pytest.approx(population.expected(outcome), abs=0.03)
