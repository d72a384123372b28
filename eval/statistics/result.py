"""Numbers and results with their provenance: method, n, settings, versions.

A command of this floor returns a `Result`; printing and saving it is the same for all of them.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hpc.files import write_json
from hpc.paths import AnyPath, as_path

SCHEMA_VERSION = 1
_REPORTED_PACKAGES = ("histosyn", "torch", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class Number:
    """One measured value.

    `value` is None when the statistic is undefined for this input; `reason` then says why.
    `interval` is (low, high) at `interval_level`, made by `interval_method`.
    """

    name: str
    value: float | None
    n: int
    method: str
    interval: tuple[float, float] | None = None
    interval_level: float | None = None
    interval_method: str | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The numbers of one evaluation, what was measured, with which settings and versions."""

    kind: str
    inputs: dict[str, Any]
    settings: dict[str, Any]
    numbers: tuple[Number, ...]
    warnings: tuple[str, ...] = ()
    tables: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain data: this result, the version of its layout, and the versions that made it."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self), "versions": versions()}

    def save(self, path: AnyPath) -> None:
        """Write the result as JSON, atomically."""
        path = as_path(path, "result")
        write_json(path, self.as_json())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for package in _REPORTED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
