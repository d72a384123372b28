"""`histosyn doctor --system`: is all here that work needs? Knows no shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hpc.errors import HistosynError
from hpc.files import write_json
from hpc.log import on_terminal
from launch.output_checks import check_output_file
from launch.system_check.outcome import Check, Outcome
from launch.system_check.table import system_checks
from launch.terminal.console import console

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red", "absent": "dim"}


def show_system(*, shared: Path | None = None, json: Path | None = None) -> None:
    """Check this installation and machine, and print what was found as a table.

    `shared` is the folder that all nodes see; `json` a file for the same facts, written first.
    Raises HistosynError, naming the checks, if work would fail here; InputError if nothing can be
    written to `json`.
    """
    check_output_file(json, "--json")
    checks = system_checks(shared)
    outcomes = _run(checks)
    failed = [
        check.name
        for check, outcome in zip(checks, outcomes, strict=True)
        if outcome.status == "error"
    ]
    if json is not None:
        write_json(json, _as_json(checks, outcomes, shared, ready=not failed))
    console().print(_table(checks, outcomes))
    if failed:
        raise HistosynError(
            f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}. "
            "What to do is in the table above."
        )


def _run(checks: Sequence[Check]) -> list[Outcome]:
    """Run the checks one by one; somebody who waits sees for which."""
    screen = console(stderr=True)
    with screen.status("") as status:
        outcomes = []
        for check in checks:
            if on_terminal():
                status.update(f"checking {check.name} …")
            else:
                screen.print(f"checking {check.name} …")
            outcomes.append(check.run())
        return outcomes


def _as_json(
    checks: Sequence[Check], outcomes: Sequence[Outcome], shared: Path | None, *, ready: bool
) -> dict[str, object]:
    return {
        "kind": "system",
        "inputs": {"shared": None if shared is None else str(shared)},
        "ready": ready,
        "checks": [
            {
                "name": check.name,
                "status": outcome.status,
                "detail": outcome.detail,
                "remedy": outcome.remedy,
            }
            for check, outcome in zip(checks, outcomes, strict=True)
        ],
    }


def _table(checks: Sequence[Check], outcomes: Sequence[Outcome]) -> Table:
    table = Table("", "check", show_lines=True)
    table.add_column("found, and what to do", overflow="fold")
    for check, outcome in zip(checks, outcomes, strict=True):
        status = Text(outcome.status, style=_STYLES[outcome.status])
        found = Text(outcome.detail)
        if outcome.remedy:
            found.append(f"\n{outcome.remedy}", style="dim")
        table.add_row(status, check.name, found)
    return table
