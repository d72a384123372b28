"""The numbers of one reader, and of the mean of readers, of one block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from eval.discrimination.outcomes import CHANCE, OF_IMAGES, OF_PAIRS, SHARES, Measured, measure
from eval.discrimination.panel import Panel
from eval.discrimination.random_readers import METHOD, ONE_READER, Pooled, pooled
from eval.statistics.interval import FormulaInterval
from eval.statistics.proportions import binomial_test, clopper_pearson_interval, wilson_interval
from eval.statistics.result import Number
from eval.statistics.roc import auc_of

MEAN = "mean of readers"
LEVEL = 0.95
WILSON, EXACT = "Wilson 1927", "exact (Clopper & Pearson 1934)"
_DELTA = "normal, variance by the delta method (Gourevitch & Galanter 1967)"
_METHODS = {
    "auc": "Mann-Whitney, ties one half",
    "accuracy": "share of right answers",
    "sensitivity": "share of synthetic images called synthetic",
    "specificity": "share of real images called real",
    "dprime": "z(hits) - z(false alarms), log-linear (Hautus 1995); positive: synthetic",
    "criterion": "-(z(hits) + z(false alarms)) / 2, log-linear; above 0: seldom says synthetic",
    "pairs": "share of pairs in which the synthetic image was chosen",
}
UNDECIDED = "some ratings are the middle of the scale, which says neither real nor synthetic"


def outcomes_of(panel: Panel) -> tuple[str, ...]:
    """What can be measured of a block."""
    return OF_PAIRS if panel.pairs else OF_IMAGES


def reader_numbers(panel: Panel, *, machine: bool = False) -> Iterator[Number]:
    """All outcomes of each reader."""
    measured = {name: measure(name, panel) for name in outcomes_of(panel)}
    variances = {name: found.covariances(panel).diagonal() for name, found in measured.items()}
    for place, reader in enumerate(panel.readers):
        facts = {"block": panel.block, "reader": reader, "machine": machine}
        for name, found in measured.items():
            value = float(found.values_R[place])
            if name == "auc":
                number = _auc(panel, place)
            elif panel.undecided or np.isnan(value):
                number = _undefined(name, panel, place)
            elif name in SHARES:
                number = _share(name, panel, place)
            else:
                number = _signal(name, value, float(variances[name][place]), panel, place)
            yield replace(number, details=number.details | facts)


def mean_numbers(panel: Panel, margin: float | None, primary: str | None) -> Iterator[Number]:
    """All outcomes of the mean of readers; with a `margin` those that have a chance are tested.

    The margin is on the scale of the `primary` outcome: shares and areas have one, d' its own.
    """
    for name in outcomes_of(panel):
        found = measure(name, panel)
        whole = None if _cannot(name, panel) else pooled(found.values_R, found.covariances(panel))
        if whole is None:
            yield replace(_undefined(name, panel, None), details=_facts(panel, name))
            continue
        test = None
        if margin is not None and name in CHANCE and (name == "dprime") == (primary == "dprime"):
            test = whole.equivalence(CHANCE[name], margin)
        yield _mean(name, panel, found, whole, test)


def _mean(
    name: str, panel: Panel, found: Measured, whole: Pooled, test: dict[str, Any] | None
) -> Number:
    interval = whole.interval(LEVEL)
    if interval is not None and name in SHARES:
        interval = max(interval[0], 0.0), min(interval[1], 1.0)
    facts = {
        "readers": whole.readers,
        "standard_error": whole.error,
        "df": None if np.isinf(whole.df) else whole.df,
        "between_readers": whole.between_readers,
        "covariance": whole.covariance,
        "these_readers_only": _these_readers(found, panel),
        "equivalence_test": test,
    }
    return Number(
        name=name,
        value=whole.value,
        n=len(panel.images),
        method=_METHODS[name],
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=(METHOD if whole.readers > 1 else ONE_READER) if interval else None,
        details=_facts(panel, name) | facts,
    )


def _these_readers(found: Measured, panel: Panel) -> tuple[float, float] | None:
    """The interval of the mean where the readers are not drawn: images random only."""
    known = ~np.isnan(found.values_R)
    error = float(np.sqrt(max(found.covariances(panel)[np.ix_(known, known)].mean(), 0)))
    value = float(found.values_R[known].mean())
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    return (value - reach, value + reach) if error > 0 else None


def _facts(panel: Panel, name: str) -> dict[str, Any]:
    return {"block": panel.block, "reader": MEAN, "machine": False, "chance": CHANCE.get(name)}


def _cannot(name: str, panel: Panel) -> bool:
    return panel.undecided and name != "auc"


def _undefined(name: str, panel: Panel, place: int | None) -> Number:
    n = len(panel.images) if place is None else int(panel.answered[:, place].sum())
    kinds = "no image of one of the arms was read"
    return Number(name=name, value=None, n=n, method=_METHODS[name],
                  reason=UNDECIDED if panel.undecided else kinds)  # fmt: skip


def _auc(panel: Panel, place: int) -> Number:
    ratings_I = panel.ratings_IR[:, place]
    return auc_of(ratings_I[panel.positive_I].tolist(), ratings_I[~panel.positive_I].tolist())


def _share(name: str, panel: Panel, place: int) -> Number:
    kinds = {"sensitivity": panel.positive_I, "specificity": ~panel.positive_I}
    counted_I = panel.answered[:, place] & kinds.get(name, np.ones(len(panel.images), bool))
    n, k = int(counted_I.sum()), int(panel.correct[counted_I, place].sum())
    exact = FormulaInterval(method=EXACT, interval=clopper_pearson_interval(k, n), level=LEVEL)
    details: dict[str, Any] = {"right": k, "by_formula": [asdict(exact)]}
    if name in CHANCE:
        details["p_chance"] = binomial_test(k, n)
    if panel.right_IR is not None:
        chosen_right = (panel.correct == 1) == panel.right_IR
        details["chose_right"] = float(chosen_right[counted_I, place].mean())
        # As in the log-linear d' of single images: none is infinite.
        details["dprime"] = float(2**0.5 * NormalDist().inv_cdf((k + 0.5) / (n + 1)))
    return Number(
        name=name, value=k / n, n=n, method=_METHODS[name], interval=wilson_interval(k, n),
        interval_level=LEVEL, interval_method=WILSON, details=details,
    )  # fmt: skip


def _signal(name: str, value: float, variance: float, panel: Panel, place: int) -> Number:
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * variance**0.5
    interval = (value - reach, value + reach) if reach > 0 else None
    return Number(
        name=name,
        value=value,
        n=int(panel.answered[:, place].sum()),
        method=_METHODS[name],
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_DELTA if interval else None,
    )
