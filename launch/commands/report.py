"""`histosyn report`: everything that was measured, or a sweep, as one page and one JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from hpc.errors import InputError, PartialFailureError
from hpc.extras import install_command
from hpc.run_folder_names import SWEEP
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.console import console

if TYPE_CHECKING:
    from eval.report.document import Document

PAGE, DATA = "report.html", "report.json"


def report(
    folder: Path,
    /,
    *,
    out: Path | None = None,
    json: Path | None = None,
    title: str | None = None,
    facts: Path | None = None,
    seed: int = 0,
) -> None:
    """One report of a run, a folder with results, or a sweep: a page with its pictures, a JSON.

    Every result of `histosyn eval ... --json FILE` below FOLDER is read, whatever command made it,
    with the run, its model and the manifests of synthetic tiles that lie there. The page has a
    table of claims with intervals and floors, plots (with the extra `report`), an unpicked gallery,
    provenance, limits, a methods paragraph, and what reporting guidelines ask for, answered from
    the run or marked "not stated". A picture beside a result, of the same name, is shown with it.

    Of the folder of a sweep (`histosyn tune`), which may still run: the best setting beside the
    defaults, seed by seed, curves of all trials, which settings mattered, tissue, hours spent and
    saved; and leaderboard.csv. `tune` writes all that when it ends.

    Example: histosyn report runs/mine --facts study.toml

    Parameters
    ----------
    folder
        A run's folder, one with results, or a sweep's.
    out
        The page. Default: FOLDER/report.html.
    json
        The same as data, with a version of its layout. Default: beside the page, as .json.
    title
        Heading of the report.
    facts
        TOML file with answers that no run knows, such as `ethics = "..."`: each is an item of the
        list in the report. `note` stands below the heading, `next` is what a reader is to do next.
    seed
        Seed of the gallery.
    """
    check_inputs(folders={"FOLDER": folder}, files={"--facts": facts})
    page = folder / PAGE if out is None else out
    data = page.with_suffix(".json") if json is None else json
    if page == data:
        raise InputError(f"{page} is to be the page and the data. Give --json another name.")
    check_output_file(page, "--out")
    check_output_file(data, "--json")
    if (folder / SWEEP).is_file():
        _report_sweep(folder, page, data, title, facts)
        return
    from eval.report.document import document_of
    from eval.report.drawing import can_draw
    from eval.report.page import page_of
    from eval.report.sources import read_sources
    from hpc.files import write_json, write_text

    sources = read_sources(folder)
    document = document_of(sources, title=title, seed=seed, stated=_stated(facts))
    write_text(page, page_of(document))
    write_json(data, document.as_json())
    _tell(document, page, data, can_draw())
    left_out = sources.findings.left_out
    if left_out:
        raise PartialFailureError(
            f"{len(left_out)} files are not in the report, such as: {left_out[0]}"
        )


def _report_sweep(
    folder: Path, page: Path, data: Path, title: str | None, facts: Path | None
) -> None:
    from eval.report.drawing import can_draw
    from tune.plan.saved_sweep import read_saved
    from tune.report.board import progress
    from tune.report.leaderboard import FILE as LEADERBOARD
    from tune.results.reporting import write_report

    if facts is not None:
        raise InputError(
            f"--facts answers the items of a report on tissue, and {folder} is a sweep, whose "
            "report has none. Leave it out, or give the folder of one run."
        )
    found = write_report(read_saved(folder), page=page, data=data, title=title)
    console().print(f"{found.record.name}: {progress(found.record)}")
    _tell_files(found.record.notices, page, data, "" if can_draw() else "tune")
    console().print(f"Table {folder / LEADERBOARD}")


def _stated(path: Path | None) -> dict[str, str]:
    """Answers of a file, by item. Raises InputError for anything but texts."""
    from hpc.json_toml import content_of, plain_toml

    if path is None:
        return {}
    try:
        found = plain_toml(content_of(path))
    except ValueError as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    for name, value in found.items():
        if not isinstance(value, str):
            raise InputError(f'{path}: {name} must be a text, such as {name} = "...".')
    return found


def _tell(document: Document, page: Path, data: Path, drawn: bool) -> None:
    out = console()
    verdicts = document.verdicts
    results, claims = len(document.findings), len(document.claims)
    out.print(
        f"{results} result{'s' * (results != 1)}, {claims} claims: {verdicts['shown']} "
        f"held, {verdicts['within']} within the floor, {verdicts['against']} did not hold, "
        f"{verdicts['not shown']} not decided, {verdicts['described']} without a claim"
    )
    _tell_files(document.notices, page, data, "" if drawn else "report")


def _tell_files(notices: Sequence[str], page: Path, data: Path, missing: str) -> None:
    """What to know first, and where all is; `missing` is the extra that plots need, if so."""
    out = console()
    for notice in notices:
        out.print(Text("warning: ", style="yellow").append(notice, style="default"))
    if missing:
        out.print(f"No plots: they need matplotlib. {install_command(missing)}")
    out.print(f"Page  {page}")
    out.print(f"Data  {data}")
