"""Kinds of values that several commands take."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter


def _refuse_option(type_: Any, suffix: str) -> None:
    """A suffix may begin with a hyphen (-labelled); where none is given, it is the next option."""
    if suffix.startswith("--"):
        raise ValueError(f"The suffix is missing: {suffix} is an option.")


Suffix = Annotated[str, Parameter(allow_leading_hyphen=True, validator=_refuse_option)]
"""How names end before the type, or a type: _mask, -labelled, .png."""
