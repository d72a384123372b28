"""The mean of readers against published values, and by simulated studies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.discrimination.outcomes import measure
from eval.discrimination.planning import simulated_means
from eval.discrimination.random_readers import pooled
from eval.discrimination.simulated import Readers

# Van Dyke et al. 1993 (SE and CINE MRI of aortic dissection, 5 readers, 114 patients), areas under
# empirical ROC curves; mean squares, covariances and intervals for a single test as the University
# of Iowa's OR-DBM MRMC 2.51 and RJafroc print them.
VAN_DYKE = [
    {
        "areas": [0.91964653, 0.85877617, 0.90386473, 0.97310790, 0.82979066],
        "between": 0.0030826287, "variance": 0.00101410277, "covariance": 0.00048396180,
        "value": 0.89703704, "error": 0.033173597, "df": 12.744648,
        "interval": (0.82522360, 0.96885048),
    },
]  # fmt: skip


@pytest.mark.parametrize("case", VAN_DYKE)
def test_the_published_example(case):
    count = len(case["areas"])
    covariance = np.full((count, count), case["covariance"])
    np.fill_diagonal(covariance, case["variance"])
    found = pooled(np.array(case["areas"]), covariance)

    assert found.between_readers == pytest.approx(case["between"], rel=1e-5)
    assert found.value == pytest.approx(case["value"], abs=2e-7)
    assert found.error == pytest.approx(case["error"], rel=1e-5)
    assert found.df == pytest.approx(case["df"], rel=1e-5)
    assert found.interval(0.95) == pytest.approx(case["interval"], abs=1e-6)


def u_statistic_variance(ratings_IR, positive_I):
    """Unbiased variance of the mean AUC by moments: Gallas, Acad Radiol 2006;13:353, as loops do.

    Products of two kernels, averaged over all choices of readers and images that are distinct where
    the moment says so.
    """
    yes, no = ratings_IR[positive_I], ratings_IR[~positive_I]
    kernel_RYN = (yes.T[:, :, None] > no.T[:, None, :]) + 0.5 * (
        yes.T[:, :, None] == no.T[:, None, :]
    )
    count, m, n = kernel_RYN.shape
    total = 0.0
    distinct = []
    for same_r in (True, False):
        for same_y in (True, False):
            for same_n in (True, False):
                sums, pairs = 0.0, 0
                for r in range(count):
                    for s in range(count):
                        if (r == s) != same_r:
                            continue
                        a, b = kernel_RYN[r], kernel_RYN[s]
                        if same_y and same_n:
                            sums, pairs = sums + (a * b).sum(), pairs + m * n
                        elif same_y:
                            sums += (a.sum(1) * b.sum(1)).sum() - (a * b).sum()
                            pairs += m * n * (n - 1)
                        elif same_n:
                            sums += (a.sum(0) * b.sum(0)).sum() - (a * b).sum()
                            pairs += n * m * (m - 1)
                        else:
                            sums += (
                                a.sum() * b.sum() - (a.sum(1) * b.sum(1)).sum()
                                - (a.sum(0) * b.sum(0)).sum() + (a * b).sum()
                            )  # fmt: skip
                            pairs += m * (m - 1) * n * (n - 1)
                distinct.append(sums / pairs)
                weight = (
                    (1 if same_r else count - 1) * (1 if same_y else m - 1)
                    * (1 if same_n else n - 1) / (count * m * n)
                )  # fmt: skip
                total += weight * distinct[-1]
    return total - distinct[-1]


def test_it_goes_with_the_variance_by_u_statistics():
    """iMRMC's estimate of the same variance, from the same studies: equal on the average."""
    random = np.random.default_rng(0)
    ours, theirs, means = [], [], []
    for _ in range(120):
        panel = Readers(dprime=0.5, dprime_spread=0.4).panel(4, 40, random)
        found = measure("auc", panel)
        whole = pooled(found.values_R, found.covariances(panel))
        ours.append(whole.error**2)
        theirs.append(u_statistic_variance(panel.ratings_IR, panel.positive_I))
        means.append(whole.value)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.05)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    # And to the variance that there is.
    assert np.var(means) == pytest.approx(np.mean(ours), rel=0.35)


@pytest.mark.parametrize("outcome", ["auc", "accuracy", "dprime", "pairs"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(outcome):
    population = Readers(dprime=0.4, dprime_spread=0.3)
    truth = population.expected(outcome)
    intervals = [
        one.interval(0.95) for one in simulated_means(outcome, population, 5, 80, 120, (3,))
    ]
    held = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.87 <= held <= 1


def test_one_reader_speaks_of_images_only():
    found = pooled(np.array([0.6, np.nan]), np.diag([0.01, 0.0]))
    assert (found.readers, found.between_readers, found.error) == (1, None, 0.1)
    assert found.interval(0.95) == pytest.approx((0.6 - 0.19600, 0.6 + 0.19600), abs=1e-4)


def test_what_cannot_be_is_none():
    assert pooled(np.array([np.nan]), np.array([[np.nan]])) is None
    alike = pooled(np.array([1.0, 1.0]), np.zeros((2, 2)))
    assert alike.interval(0.95) is None and alike.equivalence(0.5, 0.1) is None


@given(
    values=st.lists(st.floats(0.3, 0.7), min_size=2, max_size=6),
    margin=st.floats(0.01, 0.3),
)
def test_equivalence_is_the_interval_within_the_margin(values, margin):
    found = pooled(np.array(values), np.full((len(values),) * 2, 1e-4))
    test = found.equivalence(0.5, margin)
    low, high = found.interval(0.90)
    assert test["interval"] == (low, high)
    inside = 0.5 - margin < low and high < 0.5 + margin
    assert test["equivalent"] == inside
    if abs(test["p"] - 0.05) > 1e-9:
        assert (test["p"] < 0.05) == inside
