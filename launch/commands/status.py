"""`histosyn status`: how training runs, and sweeps, stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from hpc.errors import InputError
from hpc.files import write_json
from hpc.log import duration
from hpc.run_folder_names import SWEEP
from launch.output_checks import check_output_file
from launch.run_plot import check_plot, draw_runs
from launch.run_status import RunStatus, next_action, status_of
from launch.terminal.console import console, say

_STYLES = {"running": "green", "finished": "bold green", "failed": "bold red", "stopped": "yellow"}


def status(
    *runs: Path,
    next: Annotated[bool, Parameter(negative="")] = False,
    json: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Tell how training runs stand: state, progress, checkpoints, restarts, hours used.

    It reads what the run leaves in its folder, and asks SLURM for its job where there is SLURM. Of
    the folder of a sweep it shows the table of trials, which `tune` shows on a terminal.

    Example: histosyn status runs/first --plot curves.svg

    Parameters
    ----------
    runs
        Folders of runs, or of sweeps.
    next
        Print only what a job script is to do about one run that has ended: requeue (it was asked to
        stop, and goes on when queued again), resume (stopped by hand), nothing (finished), mend
        (failed), or restart (it was cut off).
    json
        File for all of it: a list with an object for each run.
    plot
        SVG or PNG for the curves of the runs, all in one picture: losses, and how the tissue's
        energy by frequency compares with that of real tiles (extra report).
    """
    if not runs:
        raise InputError("Name one or more run folders, such as runs/first.")
    if next:
        if len(runs) > 1:
            raise InputError("--next takes one run folder.")
        say(next_action(runs[0]))
        return
    sweeps = [run for run in runs if (run / SWEEP).is_file()]
    if sweeps and (json is not None or plot is not None):
        raise InputError(
            f"{sweeps[0]} is a sweep, and --json and --plot are for runs. histosyn report writes "
            "its table as CSV, its numbers as JSON, and draws its curves."
        )
    check_output_file(json, "--json")
    check_output_file(plot, "--plot")
    check_plot(plot)
    found, complaints = [], []
    out = console()
    for run in runs:
        try:
            if run in sweeps:
                out.print(_table_of_sweep(run))
                continue
            found.append(status_of(run))
            out.print(_table(found[-1]))
        except InputError as error:
            complaints.append(str(error))
    if json is not None:
        write_json(json, [asdict(run) for run in found])
    if plot is not None and found:
        draw_runs([Path(run.folder) for run in found], plot)
        say(f"Curves in {plot}")
    if complaints:
        raise InputError("\n".join(complaints))


def _table_of_sweep(folder: Path) -> Table:
    from tune.plan.saved_sweep import read_saved
    from tune.report.board import board
    from tune.results.sweep_record import record_of

    return board(record_of(read_saved(folder)))


def _table(run: RunStatus) -> Table:
    table = Table(
        title=run.folder, title_justify="left", show_header=False, box=None, padding=(0, 1)
    )
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("state", Text(_state(run), style=_STYLES.get(run.state, "yellow")))
    for name, value in _rows(run):
        if value:
            table.add_row(name, Text(value))
    return table


def _rows(run: RunStatus) -> Iterable[tuple[str, str | None]]:
    yield "note", run.note
    yield "progress", _progress(run)
    if run.eta_seconds is not None:
        yield "left", duration(run.eta_seconds)
    yield "checkpoint", "none yet" if run.last_checkpoint is None else f"step {run.last_checkpoint}"
    if run.restarts is not None:
        yield "restarts", str(run.restarts)
    if run.process_hours is not None:
        kind = "GPU-hours" if run.device == "cuda" else "process-hours"
        yield "used", f"{run.process_hours:.2f} {kind}"
    if run.job is not None:
        yield "job", f"{run.job} {', '.join(run.job_states).lower() or '(not in the queue)'}"


def _state(run: RunStatus) -> str:
    if run.silent_since is not None:
        return f"{run.state}, but silent since {run.silent_since}"
    return f"{run.state}, next: {run.next}" if run.state == "stopped" else run.state


def _progress(run: RunStatus) -> str | None:
    if run.step is None:
        return None
    text = f"step {run.step}"
    if run.steps:
        text += f" of {run.steps} ({100 * run.step / run.steps:.1f} %)"
    if run.images_per_second and run.state == "running" and run.silent_since is None:
        text += f", {run.images_per_second:.3g} images/s"
    return text
