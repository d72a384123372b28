"""A finding of doctor: one kind of problem, with the places where it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
