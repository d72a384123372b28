"""A row of the table of claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from eval.statistics.result import Number

Verdict = Literal["shown", "within", "not shown", "against", "described"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What was claimed, and what was found.

    `reference` is the margin, the floor or the value by chance that the number is held against.
    "within" is a number no larger than what real tiles have among themselves, which is less than a
    test. "not shown" is neither for nor against; "described": nothing was claimed of the number.
    """

    claim: str
    found: str
    value: float | None
    interval: tuple[float, float] | None
    interval_level: float | None
    n: int
    reference: str
    verdict: Verdict
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def claim_of(
    number: Number, *, claim: str, found: str, reference: str, verdict: Verdict, source: str
) -> Claim:
    """A claim about one number; what is undefined is shown neither way, with its reason."""
    undefined = number.value is None
    return Claim(
        claim=claim,
        found=f"undefined: {number.reason}" if undefined else found,
        value=number.value,
        interval=number.interval,
        interval_level=number.interval_level,
        n=number.n,
        reference=reference,
        verdict="not shown" if undefined else verdict,
        source=source,
    )


def against_range(value: float | None, ends: tuple[float, float] | None) -> Verdict:
    """Of a distance: within what real tiles have among themselves, or beyond."""
    if value is None or ends is None:
        return "described"
    return "within" if value <= ends[1] else "against"


def against_one(ends: tuple[float, float] | None) -> Verdict:
    """Of a ratio that should be 1: its interval excludes 1, or does not."""
    return "against" if ends is not None and not ends[0] <= 1 <= ends[1] else "not shown"


def not_below_one(ends: tuple[float, float] | None) -> Verdict:
    """Of a ratio that should not be less than 1, by its interval."""
    if ends is None or ends[0] < 1 <= ends[1]:
        return "not shown"
    return "shown" if ends[0] >= 1 else "against"
