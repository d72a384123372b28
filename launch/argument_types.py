"""Types of command-line arguments that several commands take."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from hpc.errors import InputError


def _refuse_option(type_: Any, suffix: str) -> None:
    """A suffix may begin with a hyphen (-labelled); where none is given, it is the next option."""
    if suffix.startswith("--"):
        raise ValueError(f"The suffix is missing: {suffix} is an option.")


Suffix = Annotated[str, Parameter(allow_leading_hyphen=True, validator=_refuse_option)]
"""How names end before the type, or a type: _mask, -labelled, .png."""


def _refuse_processes(type_: Any, number: int | None) -> None:
    if number is not None:
        raise InputError(
            "--processes starts processes on this machine, before the command itself. A job of "
            "histosyn submit starts its own: leave the option out."
        )


Processes = Annotated[int | None, Parameter(validator=_refuse_processes)]
"""For the help and for typing errors: `launch.processes` takes it away before a command is read."""


def numbers_listed(text: str, option: str, least: int) -> tuple[int, ...]:
    """Whole numbers of `least` or more, by commas; InputError, naming `option`, if not."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) >= least for part in parts):
        raise InputError(
            f"{option}: {text!r} is no list of whole numbers of {least} or more, such as 50,100."
        )
    return tuple(map(int, parts))
