"""Claims about readers: whether they tell the arms apart, whether they agree as on real images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.report.numbers import digits, words
from eval.report.one_claim import Claim, Verdict, claim_of
from eval.report.results_files import Finding
from eval.statistics.result import Number

_MEAN = "mean of readers"
_OUTCOMES = ("auc", "accuracy", "dprime", "pairs")
_WITHIN = "Readers tell synthetic images from real ones no better than the margin allows"
_DIFFERENCE = "real minus synthetic"
# Of the many coefficients those that a reader of a report looks for first.
PREFERRED = ("krippendorff_alpha_ordinal", "fleiss_kappa", "gwet_ac1", "icc_agreement",
             "percent_agreement")  # fmt: skip
_MOST = 3


def discrimination_claims(one: Finding) -> Iterator[Claim]:
    """The mean of readers, block by block; the primary outcome first."""
    margin, primary = one.settings.get("margin"), one.settings.get("primary")
    means = [number for number in one.numbers
             if number.details.get("reader") == _MEAN and number.name in _OUTCOMES]  # fmt: skip
    for number in sorted(means, key=lambda number: number.name != primary):
        chance = number.details.get("chance")
        test = number.details.get("equivalence_test")
        is_primary = " (primary outcome)" if number.name == primary else ""
        tested = isinstance(test, dict)
        apart = _WITHIN if tested else "Readers cannot tell synthetic images from real ones"
        yield claim_of(
            number,
            claim=f"{apart}{is_primary}",
            found=f"{words(number.name)}, mean of {number.details.get('readers', '?')} readers, "
            f"{number.details.get('block')} block: {digits(number.value)}",
            reference=_reference(chance, margin if tested else None),
            # With a margin the claim is that of the outcome that it was set for.
            verdict="described" if margin and not tested else _apart(number, chance, test),
            source=one.file,
        )


def agreement_claims(one: Finding) -> Iterator[Claim]:
    """Real minus synthetic where there are both arms; otherwise the coefficients as they are."""
    margin = one.settings.get("margin")
    by_name = {number.name: number for number in one.numbers
               if number.details.get("arm") == _DIFFERENCE}  # fmt: skip
    if by_name:
        for number in _chosen(by_name):
            values = number.details.get("values") or {}
            told = ", ".join(f"{arm} {digits(value)}" for arm, value in values.items())
            yield claim_of(
                number,
                claim="Readers agree on synthetic images as they do on real ones",
                found=f"{words(number.name)}: {told}; difference {digits(number.value)}",
                reference=_reference(0.0, margin),
                verdict=_alike(number),
                source=one.file,
            )
        return
    alone = {number.name: number for number in one.numbers
             if number.details.get("compared") == "all raters"}  # fmt: skip
    for number in _chosen(alone):
        yield claim_of(
            number,
            claim="Agreement of readers",
            found=f"{words(number.name)}: {digits(number.value)}",
            reference="",
            verdict="described",
            source=one.file,
        )


def _chosen(by_name: dict[str, Number]) -> list[Number]:
    known = [by_name[name] for name in PREFERRED if name in by_name]
    return (known or list(by_name.values()))[:_MOST]


def _reference(value: float | None, margin: float | None) -> str:
    if value is None:
        return ""
    if margin is None:
        return f"{digits(value)}; no margin was set"
    return f"{digits(value)} ± {digits(margin)}, set beforehand"


def _apart(number: Number, chance: float | None, test: Any) -> Verdict:
    if isinstance(test, dict) and test.get("equivalent"):
        return "shown"
    ends = number.interval
    if chance is not None and ends is not None and (ends[0] > chance or ends[1] < chance):
        return "against"
    return "not shown"


def _alike(number: Number) -> Verdict:
    test, ends = number.details.get("equivalence_test"), number.interval
    if isinstance(test, dict) and test.get("equivalent"):
        return "shown"
    if ends is not None and (ends[0] > 0 or ends[1] < 0):
        return "against"
    return "not shown"
