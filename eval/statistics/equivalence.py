"""Equivalence test of a difference (TOST), for agreement and for utility.

Schuirmann 1987: two one-sided tests at 5 %, here at most that share of bootstrap replicates beyond
a margin, set before the data were seen, on either side: so their 90 % interval is within it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eval.statistics.arrays import Floats
from eval.statistics.bootstrap import percentile_interval

EQUIVALENCE_LEVEL = 0.90
_ONE_SIDED = 0.05
_EQUIVALENCE_METHOD = (
    "two one-sided tests at 5 %: 90 % bootstrap interval within the margin, undefined replicates "
    "counted as beyond it"
)
_UNDECIDED = "undefined in {} of {} replicates, more than 5 %, so nothing can be shown"


def equivalence_test(replicates_B: Floats, margin: float | None) -> dict[str, Any] | None:
    """Whether the difference lies within ± `margin`; None without a margin or an interval.

    An undefined replicate (NaN) counts as beyond the margin, on either side: images on which the
    statistic cannot be computed do not show that readers agree alike. `equivalent` False means: not
    shown. None means that more than 5 % of the replicates are undefined, so that the defined ones,
    of which the interval is, could show nothing; `reason` says so. `p` is the larger of the two
    one-sided ones.
    """
    interval = percentile_interval(replicates_B, EQUIVALENCE_LEVEL)
    if margin is None or interval is None:
        return None
    undefined = int(np.isnan(replicates_B).sum())
    defined_B = replicates_B[~np.isnan(replicates_B)]
    beyond = max(int((defined_B <= -margin).sum()), int((defined_B >= margin).sum())) + undefined
    p = (beyond + 1) / (len(replicates_B) + 1)
    share = undefined / len(replicates_B)
    return {
        "margin": margin,
        "equivalent": None if share > _ONE_SIDED else p <= _ONE_SIDED,
        "reason": _UNDECIDED.format(undefined, len(replicates_B)) if share > _ONE_SIDED else None,
        "p": p,
        "interval": interval,
        "interval_level": EQUIVALENCE_LEVEL,
        "replicates": len(replicates_B),
        "undefined_replicates": undefined,
        "method": _EQUIVALENCE_METHOD,
    }
