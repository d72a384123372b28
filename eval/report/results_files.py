"""Finding the results of `histosyn eval ... --json` in a folder, and reading them by their kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.statistics.result import SCHEMA_VERSION, Number
from hpc.errors import HistosynError, InputError
from hpc.files import sha256_of_file
from hpc.records import Records, Text
from hpc.run_folder_names import CHECKPOINTS

# What else lies in a run folder, and holds no result.
_NOT_SEARCHED = {CHECKPOINTS, "tensorboard", "samples", "model", "shards"}
_DEEPEST = 6


@dataclass(frozen=True, kw_only=True)
class NumberRecord:
    """One number in a file; what a later version adds is not read."""

    name: Text
    value: float | None = None
    n: int = 0
    method: str = ""
    interval: tuple[float, float] | None = None
    interval_level: float | None = None
    interval_method: str | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ResultRecord:
    """A result in a file: what `eval.statistics.result.Result.as_json` wrote."""

    schema_version: int
    kind: Text
    inputs: dict[str, Any]
    settings: dict[str, Any]
    numbers: tuple[NumberRecord, ...]
    warnings: tuple[str, ...] = ()
    tables: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


_RESULTS = Records(kind=ResultRecord, remedy="Measure again.", error=InputError)


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """One result, and where it stands: `file` is its name below the folder."""

    file: str
    sha256: str
    kind: str
    inputs: dict[str, Any]
    settings: dict[str, Any]
    numbers: tuple[Number, ...]
    warnings: tuple[str, ...]
    tables: dict[str, Any]
    versions: dict[str, str]

    def named(self, name: str) -> Number | None:
        """The first number of this name, if there is one."""
        return next((number for number in self.numbers if number.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All results in a folder, by file name, and files that were meant to be results, but are not.

    A message each in `left_out`.
    """

    found: tuple[Finding, ...]
    left_out: tuple[str, ...]

    def of(self, kind: str) -> list[Finding]:
        """The results of a kind."""
        return [finding for finding in self.found if finding.kind == kind]


def read_results(folder: Path) -> Findings:
    """Read what lies below `folder`; files of other tools are passed over, damaged ones told."""
    found, left_out = [], []
    for path in _candidates(folder, folder, _DEEPEST):
        try:
            plain = _RESULTS.read_plain(path)
            if not _is_result(plain):
                continue
            found.append(_finding(path, folder, plain))
        except HistosynError as error:
            left_out.append(str(error))
        except OSError as error:
            left_out.append(f"{path} cannot be read ({error.strerror}).")
    return Findings(found=tuple(found), left_out=tuple(left_out))


def read_result(path: Path) -> Finding:
    """Read one file. Raises InputError if it is no result, HistosynError if it is damaged."""
    plain = _RESULTS.read_plain(path)
    if not _is_result(plain):
        raise InputError(
            f"{path} is no result of `histosyn eval`. Give what a command wrote with --json."
        )
    return _finding(path, path.parent, plain)


def _candidates(folder: Path, top: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file() and path.suffix == ".json":
            yield path
        elif path.is_dir() and depth and path.name not in _NOT_SEARCHED and not path.is_symlink():
            yield from _candidates(path, top, depth - 1)


def _is_result(plain: Any) -> bool:
    return isinstance(plain, dict) and {"kind", "numbers", "schema_version"} <= set(plain)


def _finding(path: Path, folder: Path, plain: Any) -> Finding:
    version = plain["schema_version"]
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has the layout {version!r}, this version of histosyn reads {SCHEMA_VERSION}. "
            "Measure again."
        )
    record = _RESULTS.checked(plain, str(path))
    return Finding(
        file=path.relative_to(folder).as_posix(),
        sha256=sha256_of_file(path),
        kind=record.kind,
        inputs=record.inputs,
        settings=record.settings,
        numbers=tuple(Number(**vars(number)) for number in record.numbers),
        warnings=record.warnings,
        tables=record.tables,
        versions=record.versions,
    )
