"""The registry of agreement coefficients: functions, sources, formulas of their intervals.

`FAMILIES` is the registry by name; intraclass correlations, which take a model and not weights, are
in `eval.agreement.coefficients.icc`. `GROUP` and `PAIR` are what a report holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from eval.agreement.coefficients.chance_corrected import (
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    light_kappa,
    percent_agreement,
)
from eval.agreement.coefficients.lower_bounds import (
    LowerBound,
    lowest_given_scale,
    lowest_if_complete,
    lowest_of_distances,
    lowest_share,
)
from eval.agreement.coefficients.sample import Sample
from eval.statistics.arrays import Floats

ONE_CATEGORY = "0/0: all ratings compared are in one category, so agreement by chance is certain"
_LIGHT = "a pair of raters has no image in common, or used one and the same category only"
LEVELS = ("nominal", "ordinal", "interval", "ratio")


class Coefficient(Protocol):
    """A function of `chance_corrected.py` that weighs disagreements by a matrix (K, K)."""

    def __call__(self, sample: Sample, disagreement_KK: Floats) -> Floats:
        """(B,) values."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A coefficient that takes weights: its source, the formulas of its intervals, their end."""

    coefficient: Coefficient
    source: str
    weighted_source: str = ""
    formulas: tuple[str, ...] = ("gwet_all_rated",)
    undefined: str = ONE_CATEGORY
    raters: int | None = None
    default_weights: str = "none"
    lowest: LowerBound = lowest_of_distances


_BRENNAN = Family(
    coefficient=brennan_prediger,
    source="Brennan & Prediger 1981; Randolph 2005",
    weighted_source="Gwet 2014",
    lowest=lowest_given_scale,
)
_GWET = Family(
    coefficient=gwet_ac,
    source="Gwet 2008",
    weighted_source="Gwet 2014",
    lowest=lowest_given_scale,
)
FAMILIES: MappingProxyType[str, Family] = MappingProxyType(
    {
        "percent_agreement": Family(
            coefficient=percent_agreement,
            source="mean over images",
            weighted_source="Gwet 2014",
            lowest=lowest_share,
        ),
        "cohen_kappa": Family(
            coefficient=cohen_kappa,
            source="Cohen 1960",
            weighted_source="Cohen 1968",
            formulas=("fleiss_cohen_everitt", "gwet_comparable"),
            raters=2,
        ),
        "light_kappa": Family(
            coefficient=light_kappa,
            source="Light 1971",
            formulas=("infinitesimal_jackknife",),
            undefined=_LIGHT,
        ),
        "fleiss_kappa": Family(
            coefficient=fleiss_kappa,
            source="Fleiss 1971",
            weighted_source="Gwet 2014",
            lowest=lowest_if_complete,
        ),
        "scott_pi": Family(
            coefficient=fleiss_kappa,
            source="Scott 1955",
            weighted_source="Gwet 2014",
            raters=2,
            lowest=lowest_if_complete,
        ),
        "conger_kappa": Family(
            coefficient=conger_kappa,
            source="Conger 1980",
            weighted_source="Gwet 2014",
            lowest=lowest_if_complete,
        ),
        "brennan_prediger": _BRENNAN,
        "randolph_kappa": _BRENNAN,
        "gwet_ac1": _GWET,
        "gwet_ac2": _GWET,
        "gwet_ordinal_alpha": Family(
            coefficient=krippendorff_alpha,
            source="Gwet 2014",
            formulas=("gwet_comparable",),
            default_weights="ordinal",
        ),
        "krippendorff_alpha": Family(
            coefficient=krippendorff_alpha,
            source="Krippendorff 2011",
            weighted_source="Gwet 2014",
            formulas=("gwet_comparable",),
        ),
    }
)
# Family, options: what a report says of all raters together, and of two.
GROUP: tuple[tuple[str, dict[str, Any]], ...] = (
    ("percent_agreement", {}),
    ("light_kappa", {}),
    ("light_kappa", {"weights": "linear"}),
    ("light_kappa", {"weights": "quadratic"}),
    ("fleiss_kappa", {}),
    ("fleiss_kappa", {"weights": "quadratic"}),
    ("conger_kappa", {}),
    ("conger_kappa", {"weights": "quadratic"}),
    ("brennan_prediger", {}),
    ("brennan_prediger", {"weights": "quadratic"}),
    ("gwet_ac1", {}),
    ("gwet_ac2", {"weights": "ordinal"}),
    ("gwet_ac2", {"weights": "quadratic"}),
    *(("krippendorff_alpha", {"level": level}) for level in LEVELS),
    *(("icc", {"model": model}) for model in ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)")),
)
PAIR: tuple[tuple[str, dict[str, Any]], ...] = (
    ("percent_agreement", {}),
    ("cohen_kappa", {}),
    ("cohen_kappa", {"weights": "linear"}),
    ("cohen_kappa", {"weights": "quadratic"}),
    ("scott_pi", {}),
)
