"""Signal detection: how well a reader tells two kinds of images apart, apart from a bias.

Stanislaw & Todorov 1999, Behav Res Methods Instrum Comput 31:137.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

from hpc.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """`dprime` is 0 for a reader who guesses; `c` is above 0 for one who seldom says yes."""

    dprime: float
    c: float


def yes_no_sensitivity(
    hits: float, misses: float, false_alarms: float, correct_rejections: float
) -> Sensitivity | None:
    """d′ and criterion c of a yes/no task; None if a rate is 0 or 1, or has no trials.

    d′ is infinite there. The log-linear correction (Hautus 1995, Behav Res Methods Instrum Comput
    27:46) is to add 0.5 to each of the four counts, for all readers or for none.
    """
    counts = (hits, misses, false_alarms, correct_rejections)
    if min(counts) < 0:
        raise InputError(f"Counts of answers cannot be negative: {counts}.")
    if min(counts) == 0:
        return None
    z_hit = float(special.ndtri(hits / (hits + misses)))
    z_alarm = float(special.ndtri(false_alarms / (false_alarms + correct_rejections)))
    return Sensitivity(dprime=z_hit - z_alarm, c=-(z_hit + z_alarm) / 2)


def forced_choice_dprime(proportion_correct: float) -> float | None:
    """d′ of a two-alternative forced choice, √2·z(proportion); None at 0 and 1."""
    if not 0 <= proportion_correct <= 1:
        raise InputError(f"A proportion of {proportion_correct} does not lie between 0 and 1.")
    if proportion_correct in (0, 1):
        return None
    return float(2**0.5 * special.ndtri(proportion_correct))
