"""Agreement of raters who put images into categories, corrected for chance.

Every coefficient is 1 − D_o / D_e: the disagreement that was observed over the disagreement that
chance would give. They differ in what they take for chance. Each is computed for the B replicates
of a sample at once, and is NaN in exactly those replicates where it is undefined: no image with
two ratings, or 0/0. `eval.agreement.report` turns that into None and a reason.

Legend: B replicates, I images, R raters, K categories. Disagreement matrices (K, K) are zero on
the diagonal: 1 − the agreement weights of the literature (see `weights.py`). They are the only
arrays with K²: scores from 0 to 1000 are categories, too.

Missing ratings follow Gwet (2014), Handbook of Inter-Rater Reliability, 4th edition, chapters 2-3:
observed disagreement comes from the images with two or more ratings, the chance term from all
images with one or more. Krippendorff's alpha ignores images with a single rating altogether.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from eval.agreement.coefficients.sample import MISSING, Sample
from eval.statistics.arrays import Floats, ratio
from eval.statistics.bootstrap import blocks


def percent_agreement(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Agreeing share of an image's pairs of ratings, averaged over images: (B,) in [0, 1]."""
    return 1 - _observed_disagreement(sample, disagreement_KK)


def cohen_kappa(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Cohen's (weighted) kappa of the first two raters, on the images both rated: (B,).

    Cohen 1960, 1968. The matrix may be asymmetric: its rows belong to the first rater.
    """
    first_I, second_I = sample.codes_IR[:, 0], sample.codes_IR[:, 1]
    both_I = (first_I != MISSING) & (second_I != MISSING)
    disagreeing_I = np.where(both_I, disagreement_KK[first_I, second_I], 0.0)
    n_B, (first_BK, second_BK) = shares_of_two(sample)
    return _chance_corrected(
        ratio(sample.total(disagreeing_I), n_B),
        _weighted_product(first_BK, disagreement_KK, second_BK),
    )


def shares_of_two(sample: Sample) -> tuple[Floats, tuple[Floats, Floats]]:
    """How many images the first two raters both rated (B,), and each one's shares there (B, K)."""
    both_I = (sample.codes_IR[:, :2] != MISSING).all(axis=1).astype(np.float64)
    n_B = sample.total(both_I)
    first_BK, second_BK = (
        ratio(sample.total(sample.chosen[:, rater] * both_I[:, None]), n_B[:, None])
        for rater in (0, 1)
    )
    return n_B, (first_BK, second_BK)


def light_kappa(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Light's kappa: mean of Cohen's over the pairs of raters; NaN if one pair's is NaN: (B,).

    Light 1971. Each pair is compared on the images that both rated.
    """
    times_R = sample.rater_times
    pairs = [pair for pair in combinations(range(len(times_R)), 2) if times_R[[*pair]].all()]
    if not pairs:
        return np.full(sample.replicates, np.nan)
    kappas_PB = [cohen_kappa(sample.of_raters(pair), disagreement_KK) for pair in pairs]
    return np.average(kappas_PB, axis=0, weights=[times_R[[*pair]].prod() for pair in pairs])


def fleiss_kappa(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Fleiss' kappa (of two raters: Scott's pi); chance: the raters' pooled shares: (B,).

    Fleiss 1971, Scott 1955.
    """
    chance_B = _weighted_product(sample.shares, disagreement_KK, sample.shares)
    return _chance_corrected(_observed_disagreement(sample, disagreement_KK), chance_B)


def conger_kappa(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Conger's kappa (of two raters: Cohen's); chance: each pair of raters' own shares: (B,).

    Conger 1980. A rater without a rating in a replicate is no rater of that replicate.
    """
    counts_BRK = sample.total(sample.chosen)
    ratings_BR1 = counts_BRK.sum(axis=2, keepdims=True)
    shares_BRK = ratio(counts_BRK, ratings_BR1, undefined=0.0)
    weighted_BRK = shares_BRK * sample.rater_times[:, None]
    summed_BK = weighted_BRK.sum(axis=1)
    all_pairs_B = _weighted_product(summed_BK, disagreement_KK, summed_BK)
    with_oneself_B = ((weighted_BRK @ disagreement_KK) * weighted_BRK).sum(axis=(1, 2))
    times_BR = (ratings_BR1[:, :, 0] > 0) * sample.rater_times
    pairs_B = times_BR.sum(axis=1) ** 2 - (times_BR**2).sum(axis=1)
    chance_B = ratio(all_pairs_B - with_oneself_B, pairs_B)
    return _chance_corrected(_observed_disagreement(sample, disagreement_KK), chance_B)


def gwet_ac(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Gwet's AC1 (unweighted) or AC2 (weighted; disagreements in [0, 1]): (B,).

    Gwet 2008. Undefined for a scale of one category.
    """
    k = sample.n_categories
    if k < 2:
        return np.full(sample.replicates, np.nan)
    weight = (k * k - disagreement_KK.sum()) / (k * (k - 1))
    chance_B = 1 - weight * (sample.shares * (1 - sample.shares)).sum(axis=1)
    return _chance_corrected(_observed_disagreement(sample, disagreement_KK), chance_B)


def brennan_prediger(sample: Sample, disagreement_KK: Floats) -> Floats:
    """Brennan and Prediger's kappa (Randolph's free-marginal); chance: a fair die: (B,).

    Brennan & Prediger 1981, Randolph 2005. Depends on how many categories are declared.
    """
    chance_B = np.full(sample.replicates, disagreement_KK.mean())
    return _chance_corrected(_observed_disagreement(sample, disagreement_KK), chance_B)


def krippendorff_alpha(
    sample: Sample, disagreement_KK: Floats, *, small_sample: bool = True
) -> Floats:
    """Krippendorff's alpha for a fixed difference function: (B,).

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". Nominal: "none"; interval:
    squared differences of the categories' values. The weights "ordinal" give Gwet's ordinal
    alpha, which is *not* Krippendorff's: that is `krippendorff_alpha_ordinal`. Without
    `small_sample`, chance draws two ratings with replacement: the form Gwet 2014 has a variance of.
    """
    used_BK = _used(sample)
    observed_B = sample.total(_weight(sample) * _disagreeing(sample, disagreement_KK))
    chance_B = _weighted_product(used_BK, disagreement_KK, used_BK)
    return _alpha(observed_B, chance_B, used_BK.sum(axis=1), small_sample)


def krippendorff_alpha_ordinal(sample: Sample, *, small_sample: bool = True) -> Floats:
    """Krippendorff's alpha for ordered categories: (B,).

    His ordinal difference of two categories is the distance of their mid-ranks among the ratings
    given, so it changes with the replicate, and a category that nobody used has no effect.
    """
    used_BK = _used(sample)
    ranks_BK = used_BK.cumsum(axis=1) - used_BK / 2
    ratings_B = used_BK.sum(axis=1)
    # Σ u_k u_l (r_k − r_l)², about the mean of the ranks, which is half the ratings.
    spread_B = (used_BK * (ranks_BK - ratings_B[:, None] / 2) ** 2).sum(axis=1)
    observed_B = _rank_disagreement(sample, ranks_BK)
    return _alpha(observed_B, 2 * ratings_B * spread_B, ratings_B, small_sample)


def _observed_disagreement(sample: Sample, disagreement_KK: Floats) -> Floats:
    disagreeing_I = _disagreeing(sample, disagreement_KK)
    within_image_I = ratio(disagreeing_I, sample.pairs_of_image, undefined=0.0)
    return ratio(sample.total(within_image_I), sample.comparable)


def _disagreeing(sample: Sample, disagreement_KK: Floats) -> Floats:
    # (I,): over the pairs of raters. Nobody disagrees with oneself, so those pairs need not go.
    return _weighted_product(sample.counts, disagreement_KK, sample.counts)


def _weight(sample: Sample) -> Floats:
    # Krippendorff: an image with m ratings counts m times, however many pairs they form.
    return ratio(sample.ratings, sample.pairs_of_image, undefined=0.0)


def _used(sample: Sample) -> Floats:
    # Krippendorff's n_c: how often a category was used, by the images with two ratings or more.
    return sample.total(sample.pairs * _weight(sample)[:, None])


def _rank_disagreement(sample: Sample, ranks_BK: Floats) -> Floats:
    # Over those pairs of categories that an image has both of: few, if the scale is long.
    either_P, other_P = np.nonzero(np.triu(sample.counts.T @ sample.counts, 1))
    weight_I1, disagreeing_B = _weight(sample)[:, None], np.zeros(len(ranks_BK))
    for some in blocks(len(either_P), max(len(sample.counts), len(ranks_BK))):
        either_p, other_p = either_P[some], other_P[some]
        pairs_Ip = 2 * sample.counts[:, either_p] * sample.counts[:, other_p]
        coincidences_Bp = sample.total(pairs_Ip * weight_I1)
        squared_Bp = (ranks_BK[:, either_p] - ranks_BK[:, other_p]) ** 2
        disagreeing_B += (coincidences_Bp * squared_Bp).sum(axis=1)
    return disagreeing_B


def _alpha(observed_B: Floats, chance_B: Floats, ratings_B: Floats, small_sample: bool) -> Floats:
    pairs_B = ratings_B * (ratings_B - 1 if small_sample else ratings_B)
    return _chance_corrected(ratio(observed_B, ratings_B), ratio(chance_B, pairs_B))


def _weighted_product(left_NK: Floats, weights_KK: Floats, right_NK: Floats) -> Floats:
    return ((left_NK @ weights_KK) * right_NK).sum(axis=1)


def _chance_corrected(observed_B: Floats, chance_B: Floats) -> Floats:
    return 1 - ratio(observed_B, chance_B)
