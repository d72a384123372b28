"""What doctor tells of a kind of problem, and the question that finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from histosyn.doctor.survey import Survey

# Of a finding that recurs, so many places are kept; its count goes on.
KEPT_PLACES = 1000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of problem: `where` names the first `KEPT_PLACES` of `count` places.

    At an "error" training would stop, or learn or report something wrong; it would suffer from a
    "warning". `files` lists files for a finding whose places are no files, but colours or values.
    """

    severity: Literal["error", "warning"]
    what: str
    where: tuple[str, ...]
    remedy: str
    count: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """A question to a pair (`places` gets a Look and the Survey) or to the set (the Survey only).

    `places` answers with a text for each place where something is wrong. `remedy` says what to do;
    one that depends on what was counted is a function of the Survey, as is `files`.
    """

    severity: Literal["error", "warning"]
    what: str
    remedy: str | Callable[[Survey], str]
    places: Callable[..., Sequence[str]]
    files: Callable[[Survey], Sequence[str]] | None = None

    def finding(self, survey: Survey) -> Finding:
        """Its finding, as yet of nothing."""
        return Finding(
            severity=self.severity,
            what=self.what,
            where=(),
            remedy=self.remedy if isinstance(self.remedy, str) else self.remedy(survey),
            count=0,
            files=() if self.files is None else tuple(self.files(survey)),
        )
