"""`histosyn eval labels`: are new label maps like real ones, and are they new?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hpc.errors import InputError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.console import console
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import interval_text, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result
    from histosyn.labels.schema import LabelSchema


def labels(
    real: Path,
    new: Path,
    /,
    *,
    schema: str | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    seed: int = 0,
    sheet: Path | None = None,
    json: Path | None = None,
) -> None:
    """Are new label maps like real ones, and are they new?

    Distances of class shares, of number, size and spacing of objects, of borders and of what
    touches what, each with an interval and the distance between halves of the real maps. And the
    real map that each new one agrees with most.

    Example: histosyn eval labels packed/train new --schema prostate-3 --sheet nearest.png

    Parameters
    ----------
    real
        Folder of real label maps, or of shards.
    new
        Folder of new label maps, such as `histosyn labels` makes, or of shards.
    schema
        prostate-2, prostate-3, colon-10, or a TOML file. Without it that of REAL or NEW, if these
        are shards.
    groups
        CSV with the columns `tile` and --group-column: the patient of each real label map in a
        folder. Maps of a patient are alike: intervals and floor are drawn by patient.
    group_column
        Column of --groups that names the patient or slide.
    seed
        Seed of resamples and halves.
    sheet
        PNG for the new maps that agree most with a real one, each beside it.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    check_output_file(json, "--json")
    check_output_file(sheet, "--sheet")
    check_inputs(
        folders={"folder of real label maps": real, "folder of new label maps": new},
        files={"--groups": groups},
        schema=schema,
    )
    from eval.label_maps.report import compare_label_maps
    from eval.label_maps.sheet import draw_nearest
    from eval.segmenter.labelled_tiles import open_labels
    from histosyn.images.tiles import png_bytes
    from hpc.files import write_bytes
    from hpc.log import set_up_logging, track
    from hpc.topology import detect

    def show(names: Sequence[str], what: str) -> Iterable[str]:
        return track(names, total=len(names), what=what)

    set_up_logging(detect())
    meaning = _schema(schema, real, new)
    sides = (open_labels(real, meaning, groups, group_column), open_labels(new, meaning, None, ""))
    result = compare_label_maps(*sides, seed=seed, show=show)
    if json is not None:
        result.save(json)
    if sheet is not None:
        write_bytes(sheet, png_bytes(draw_nearest(result.tables["nearest"], *sides)))
    _show(result)


def _schema(name: str | None, *folders: Path) -> LabelSchema:
    from histosyn.labels.schema import load_schema
    from histosyn.shards.label_maps import holds_shards, stored_maps

    given = None if name is None else load_schema(name)
    for folder in folders:
        if holds_shards(folder):
            return stored_maps(folder, given)[1]
    if given is None:
        raise InputError("Name the schema of the label maps: --schema prostate-3, or a TOML file.")
    return given


def _show(result: Result) -> None:
    table, notes = Table(title="New label maps beside real ones", title_justify="left"), Notes()
    for title in ("", "distance", "95 % interval", "real to real", "mean, real", "mean, new"):
        table.add_column(title, overflow="fold")
    for number in result.numbers[:-1]:
        table.add_row(*_row(number, notes))
    out = console()
    out.print(table)
    novelty = result.numbers[-1]
    details = novelty.details
    if novelty.value is not None:
        out.print(
            f"A new map agrees with its nearest real one in {details['synthetic']:.0%} of the "
            f"pixels, a real one with that of another patient in {details['real']:.0%}; "
            f"{details['more_than_any_real']} of {novelty.n} new maps agree more than any real one."
        )
    for line in notes.lines():
        out.print(Text(line))
    for text in dict.fromkeys(n.reason for n in result.numbers if n.reason is not None):
        out.print(Text("undefined: ", style="yellow").append(text, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _row(number: Number, notes: Notes) -> tuple[str, ...]:
    details, title = number.details, number.name.replace("_", " ", 1)
    if details.get("new_contact"):
        title += " (touch in no real map)"
    if number.value is None:
        return title, "undefined", "", "", "", ""
    floor = details["floor"]
    note = notes.mark(details.get("interval_note"))
    return (
        title,
        value_text(number.value),
        f"{interval_text(number.interval)} {note}".strip(),
        "" if floor is None else interval_text(floor["range"]),
        value_text(details["real"]),
        value_text(details["synthetic"]),
    )
