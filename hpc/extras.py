"""Optional packages: one message for what is not installed, with the command that installs it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

from hpc.errors import InputError

_DISTRIBUTION = "histosyn"
# What a user may want besides; the others are for whoever works on histosyn.
_NOT_FOR_USERS = {"test", "dev", "all"}
_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+).*;.*extra == [\"'](?P<extra>[\w-]+)[\"']")


def missing_extra(what: str, packages: str, extra: str, why: object = "") -> InputError:
    """The error that `what` needs `packages`, which come with an extra of histosyn.

    `why` is what happened when they were to be imported, if it says more than that they are absent.
    """
    told = f" ({why})" if why else ""
    return InputError(
        f"{what} needs {packages}, which cannot be imported here{told}. {install_command(extra)}"
    )


def install_command(*extras: str) -> str:
    """How to install histosyn with some extras, as a sentence."""
    names = ",".join(extras)
    return (
        f"Install what is missing with: pip install 'histosyn[{names}]' (in a clone: pip install "
        f"-c constraints.txt -e '.[{names}]')."
    )


def extras() -> dict[str, list[str]]:
    """The packages of each extra that are not installed; those of an empty list are complete.

    Empty if histosyn is not installed itself.
    """
    found: dict[str, list[str]] = {}
    try:
        lines = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    for match in filter(None, map(_REQUIREMENT.match, lines)):
        if match["extra"] in _NOT_FOR_USERS:
            continue
        missing = found.setdefault(match["extra"], [])
        if not _is_installed(match["package"]):
            missing.append(match["package"])
    return found


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
