"""The outcome of an installation check; a check that raises becomes an outcome, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hpc.errors import HistosynError

Status = Literal["ok", "warning", "error", "absent"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found, and what to do about it if anything.

    "absent" is what histosyn can do without: an optional package, a scheduler, a GPU.
    """

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the table; `remedy` helps when `look` itself breaks."""

    name: str
    look: Callable[[], Outcome]
    remedy: str

    def run(self) -> Outcome:
        """What the check says; never raises an Exception."""
        try:
            return self.look()
        except HistosynError as error:
            return outcome_of(error)
        # Any exception: what is broken here, such as a library that cannot be loaded, is what
        # the user wants to know, and no reason to leave out the other checks.
        except Exception as error:
            return Outcome(
                status="error",
                detail=f"{type(error).__name__}: {first_line(str(error))}",
                remedy=self.remedy,
            )


def ok(detail: str) -> Outcome:
    """Nothing to do."""
    return Outcome(status="ok", detail=detail)


def warning(detail: str, remedy: str) -> Outcome:
    """It works, but worse than it could, or not for long."""
    return Outcome(status="warning", detail=detail, remedy=remedy)


def failure(detail: str, remedy: str) -> Outcome:
    """Work would fail."""
    return Outcome(status="error", detail=detail, remedy=remedy)


def absent(detail: str, remedy: str) -> Outcome:
    """Not there, and not needed for everything."""
    return Outcome(status="absent", detail=detail, remedy=remedy)


def outcome_of(error: HistosynError, status: Status = "error") -> Outcome:
    """An error of ours, whose first sentence says what is wrong and the others what to do."""
    what, _, remedy = str(error).partition(". ")
    remedy = remedy.removeprefix("HINT: ")
    return Outcome(status=status, detail=what, remedy=remedy[:1].upper() + remedy[1:])


def first_line(text: str) -> str:
    """The first line that says something: torch explains over dozens."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


def last_line(text: str) -> str:
    """The last line that says something: the end of a traceback, or of a program's complaint."""
    return first_line("\n".join(reversed(text.splitlines())))
