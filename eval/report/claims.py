"""The table of claims: what each measurement is to show, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eval.report.claims_of_readers import agreement_claims, discrimination_claims
from eval.report.claims_of_tissue import (
    c2st_claims,
    diversity_claims,
    faithfulness_claims,
    fid_claims,
    label_claims,
    memorization_claims,
    stain_claims,
    utility_claims,
)
from eval.report.numbers import words
from eval.report.one_claim import Claim, claim_of
from eval.report.results_files import Finding, Findings

# In the order of the document: readers first, then the tissue.
_CLAIMS: dict[str, Callable[[Finding], Iterator[Claim]]] = {
    "discrimination": discrimination_claims,
    "agreement": agreement_claims,
    "fid": fid_claims,
    "c2st": c2st_claims,
    "stain": stain_claims,
    "diversity": diversity_claims,
    "memorization": memorization_claims,
    "labels": label_claims,
    "faithfulness": faithfulness_claims,
    "utility": utility_claims,
}
KINDS = tuple(_CLAIMS)
_FEW = 5


def claims_of(findings: Findings) -> list[Claim]:
    """The claims of all results; of an unknown kind, its first numbers as they are."""
    known = [claim for kind in KINDS for one in findings.of(kind) for claim in _CLAIMS[kind](one)]
    others = [one for one in findings.found if one.kind not in KINDS]
    return known + [claim for one in others for claim in _plain(one)]


def _plain(one: Finding) -> Iterator[Claim]:
    for number in one.numbers[:_FEW]:
        yield claim_of(
            number,
            claim=f"{words(one.kind)}: {words(number.name)}",
            found=number.method,
            reference="",
            verdict="described",
            source=one.file,
        )
