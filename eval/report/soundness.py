"""Results that are whole, but hold what no command writes: edited by hand, or of other programs."""

from __future__ import annotations

from dataclasses import replace

from eval.report.claims import claims_of
from eval.report.results_files import Finding, Findings
from eval.report.tables import tables_of

# What arises where a text stands for a number, a list for an object, a field is missing.
ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError)


def sound(findings: Findings) -> Findings:
    """The results that claims and tables can be made of; a message for each other one."""
    kept, left_out = [], list(findings.left_out)
    for one in findings.found:
        try:
            _tried(one)
        except ODD as error:
            left_out.append(
                f"{one.file} holds what no version of histosyn writes ({error}). Measure again."
            )
        else:
            kept.append(one)
    return replace(findings, found=tuple(kept), left_out=tuple(left_out))


def _tried(one: Finding) -> None:
    claims_of(Findings(found=(one,), left_out=()))
    tables_of(one)
