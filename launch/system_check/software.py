"""Checks of the software: histosyn and its packages, Ray, the weights of Inception."""

from __future__ import annotations

import os
import platform
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from hpc.errors import InputError
from hpc.extras import extras, install_command
from launch.system_check.outcome import Outcome, absent, failure, ok, outcome_of, warning

_DISTRIBUTION = "histosyn"
_NAME = re.compile(r"[\w.-]+")


def versions() -> Outcome:
    """Python and histosyn."""
    python = f"Python {platform.python_version()} on {platform.platform()}"
    try:
        return ok(f"histosyn {version(_DISTRIBUTION)}, {python}")
    except PackageNotFoundError:
        return failure(
            f"histosyn is not installed, {python}",
            "Install it from its clone: pip install -c constraints.txt -e .",
        )


def package_names() -> Outcome:
    """Whether a user's own file hides a package of ours, all of which have generic names."""
    try:
        import_module("histosyn")  # which looks itself
    except ImportError as error:
        what, _, remedy = str(error).partition(". ")
        return failure(what, remedy)
    return ok("hpc, histosyn, eval, tune and launch are histosyn's own")


def packages() -> Outcome:
    """The versions of all packages that histosyn cannot do without."""
    needed = [_NAME.match(line) for line in requires(_DISTRIBUTION) or () if "extra ==" not in line]
    names = [match[0] for match in needed if match]
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return failure(
            f"not installed: {', '.join(missing)}",
            "Install histosyn again from its clone: pip install -c constraints.txt -e .",
        )
    return ok(", ".join(found))


def optional_packages() -> Outcome:
    """Which extras are complete, and one command for all that are not."""
    found = extras()
    complete = [name for name, missing in found.items() if not missing]
    lacking = {name: missing for name, missing in found.items() if missing}
    told = f"complete: {', '.join(complete) or 'none'}"
    if not lacking:
        return ok(told)
    named = ", ".join(f"{name} ({', '.join(missing)})" for name, missing in lacking.items())
    return absent(f"{told}; not installed: {named}", install_command(*lacking))


def ray() -> Outcome:
    """Whether Ray can be imported; it is not started."""
    try:
        found = import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        return absent("not installed: no `histosyn tune`", install_command("tune"))
    return ok(f"ray {found.__version__}")


def inception_weights() -> Outcome:
    """Whether `histosyn eval fid` finds the weights of Inception and can load them."""
    from eval.extractors.inception import WEIGHTS_VARIABLE, InceptionExtractor, find_weights
    from eval.extractors.torchvision_import import import_pytorch_fid

    try:
        import_pytorch_fid()
        weights = find_weights()
    except InputError as error:
        named = WEIGHTS_VARIABLE in os.environ
        return outcome_of(error, "warning" if named else "absent")
    identity = InceptionExtractor(weights).identity
    detail = f"{weights} (sha256 {identity.weights_sha256[:8]}…)"
    if identity.caveat:
        return warning(detail, identity.caveat)
    return ok(detail)
