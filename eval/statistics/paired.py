"""The mean difference of two treatments that were tried with the same seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import t as student

from eval.statistics.result import Number

LEVEL = 0.95
# Two differences have a spread, but hardly say how large it is.
FEWEST = 3
_INTERVAL = "paired t over seeds, tiles as they are"


def paired_difference(
    name: str, ours: Mapping[int, float], theirs: Mapping[int, float], method: str
) -> Number:
    """Ours less theirs, by seed; the interval is Student's, from three seeds that both have."""
    by_seed = {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}
    differences = np.array(list(by_seed.values()))
    spread = spread_of(by_seed)
    value = float(differences.mean()) if len(differences) else None
    interval = None
    if value is not None and spread is not None and len(differences) >= FEWEST:
        reach = student.ppf((1 + LEVEL) / 2, len(differences) - 1) * spread
        reach = float(reach / np.sqrt(len(differences)))
        interval = (value - reach, value + reach)
    return Number(
        name=name,
        value=value,
        n=len(differences),
        method=method,
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_INTERVAL if interval else None,
        reason=None if value is not None else "no seed has finished with both",
        details={"by_seed": {str(seed): one for seed, one in by_seed.items()}, "spread": spread},
    )


def spread_of(values: Mapping[int, float]) -> float | None:
    """Standard deviation over seeds; None from fewer than two."""
    return float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None
