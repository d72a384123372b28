"""`histosyn report`: everything that was measured, as one page and one JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from hpc.errors import InputError, PartialFailureError
from hpc.extras import install_command
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
    """One report of a run, or of a folder with results: a page that holds all its pictures, a JSON.

    Every result of `histosyn eval ... --json FILE` below FOLDER is read, whatever command made it,
    with the run, its model and the manifests of synthetic tiles that lie there. The page has a
    table of claims with intervals and floors, plots (with the extra `report`), an unpicked gallery,
    provenance, limits, a methods paragraph, and what reporting guidelines ask for, answered from
    the run or marked "not stated". A picture beside a result, of the same name, is shown with it.

    Example: histosyn report runs/mine --facts study.toml

    Parameters
    ----------
    folder
        A run's folder, or one with results.
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
    for notice in document.notices:
        out.print(Text("warning: ", style="yellow").append(notice, style="default"))
    if not drawn:
        out.print(f"No plots: they need matplotlib. {install_command('report')}")
    out.print(f"Page  {page}")
    out.print(f"Data  {data}")
