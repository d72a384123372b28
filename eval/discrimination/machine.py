"""A classifier as a reader: scores of `eval c2st` for the images that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from eval.agreement.coefficients.value import agreement_of
from eval.discrimination.panel import Panel
from eval.discrimination.reader_numbers import MEAN
from eval.statistics.arrays import Floats
from eval.statistics.result import Number
from hpc.errors import InputError
from hpc.files import require_file
from hpc.records import Records, Text

_RANKS = "Spearman's rank correlation within each arm, mean of both arms"
_KAPPA = "Cohen's kappa of calling an image synthetic"
_FEWEST = 3


@dataclass(frozen=True, kw_only=True)
class MachineScores:
    """Scores of tiles, by test: above 0 is called synthetic."""

    images: tuple[Text, ...]
    synthetic: tuple[bool, ...]
    scores: dict[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class _Tables:
    scores: MachineScores


@dataclass(frozen=True, kw_only=True)
class MachineResult:
    """What `eval c2st --json` wrote, as far as it is needed here."""

    kind: Text
    tables: _Tables
    settings: dict[str, Any] = field(default_factory=dict)


RESULTS = Records(
    kind=MachineResult,
    remedy="Give what `histosyn eval c2st --json` wrote.",
    error=InputError,
    finite=False,
)


def read_machine(path: Path) -> MachineScores:
    """The scores in a result of `eval c2st`. InputError for another file."""
    require_file(path, "result of eval c2st")
    found = RESULTS.read(path)
    scores = found.tables.scores
    counts = {len(scores.images), len(scores.synthetic), *map(len, scores.scores.values())}
    if found.kind != "c2st" or len(counts) != 1:
        raise InputError(f"{path} is no result of `histosyn eval c2st --json`.")
    return scores


def machine_panel(people: Panel, scores: MachineScores) -> Panel | None:
    """The machine's tests as readers of the images that `people` read; None if it knows none."""
    place_of = {
        key: place for place, key in enumerate(zip(scores.synthetic, scores.images, strict=True))
    }
    keys = list(zip(people.positive_I.tolist(), people.images, strict=True))
    if people.pairs or not any(key in place_of for key in keys):
        return None
    ratings_IR = np.full((len(keys), len(scores.scores)), np.nan)
    for row, key in enumerate(keys):
        if key in place_of:
            ratings_IR[row] = [one[place_of[key]] for one in scores.scores.values()]
    return Panel(
        block=people.block,
        readers=tuple(scores.scores),
        images=people.images,
        positive_I=people.positive_I,
        ratings_IR=ratings_IR,
        middle=0.0,
        group_I=people.group_I,
    )


def agreements(people: Panel, machine: Panel) -> Iterator[Number]:
    """How far each reader, and their mean, goes with each test of the machine."""
    columns = {
        **dict(zip(people.readers, people.ratings_IR.T, strict=True)),
        MEAN: mean_ratings(people),
    }
    for reader, ratings_I in columns.items():
        for test, scores_I in zip(machine.readers, machine.ratings_IR.T, strict=True):
            both_I = ~np.isnan(ratings_I) & ~np.isnan(scores_I)
            facts = {"block": people.block, "reader": reader, "machine": test}
            yield _correlation(
                ratings_I[both_I], scores_I[both_I], people.positive_I[both_I], facts
            )
            calls = [
                [bool(one), bool(other)]
                for one, other in zip(
                    ratings_I[both_I] > people.middle, scores_I[both_I] > 0, strict=True
                )
            ]
            found = agreement_of(calls, "cohen_kappa", scale=[False, True]) if calls else None
            yield Number(
                name="kappa_of_calls",
                value=found.value if found else None,
                n=len(calls),
                method=_KAPPA,
                interval=found.interval if found else None,
                interval_level=found.interval_level if found else None,
                interval_method=found.interval_method if found else None,
                reason=found.reason if found else "no image was read by both",
                details=facts,
            )


def mean_ratings(panel: Panel) -> Floats:
    """The mean rating (I,) of who read an image; NaN where nobody did."""
    counts_I = panel.answered.sum(axis=1)
    sums_I = np.nansum(panel.ratings_IR, axis=1)
    return np.divide(sums_I, counts_I, out=np.full(len(counts_I), np.nan), where=counts_I > 0)


def _correlation(
    ratings_N: Floats, scores_N: Floats, positive_N: Any, facts: Mapping[str, Any]
) -> Number:
    """Within the arms: across them, whoever is right goes with whoever else is."""
    found = [
        _spearman(ratings_N[kind], scores_N[kind])
        for kind in (positive_N, ~positive_N)
        if kind.sum() >= _FEWEST
    ]
    defined = [one for one in found if one is not None]
    whole = len(defined) == 2
    return Number(
        name="rank_correlation",
        value=float(np.mean(defined)) if whole else None,
        n=len(ratings_N),
        method=_RANKS,
        reason=None if whole else "an arm has too few images, or one rating for all",
        details=dict(facts),
    )


def _spearman(one_N: Floats, other_N: Floats) -> float | None:
    ranks = rankdata(one_N), rankdata(other_N)
    if min(np.ptp(one) for one in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])
