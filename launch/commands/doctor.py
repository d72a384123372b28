"""`histosyn doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from launch.console import console
from launch.outputs import check_output_file

if TYPE_CHECKING:
    from histosyn.doctor import Diagnosis, Finding

_SHOWN_PLACES = 3
_STYLES = {"error": "bold red", "warning": "yellow"}


def doctor(
    tiles: Path,
    labels: Path,
    /,
    *,
    schema: str = "prostate-3",
    json: Path | None = None,
) -> None:
    """Find what is wrong with a data set before a GPU is asked for.

    Reads every tile and label map once and changes nothing. Exits with 0 if training may start
    (warnings don't hinder it), with 2 if it would stop at an error.

    Example: histosyn doctor tiles labels --schema colon-10

    Parameters
    ----------
    tiles
        Folder of H&E tiles (png, jpg, tif, bmp; sub-folders too).
    labels
        Folder of label maps of the same names: class indices, or the schema's colours.
    schema
        Label schema: prostate-2, prostate-3, colon-10, or a TOML file.
    json
        File for everything that was found, with up to 1000 places a finding.
    """
    from histosyn.doctor import examine
    from histosyn.labels import load_schema
    from hpc.errors import DatasetError
    from hpc.files import write_json
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    check_output_file(json, "--json")
    diagnosis = examine(
        tiles,
        labels,
        load_schema(schema),
        lambda looks, total: track(looks, total=total, what="pairs"),
    )
    _show(diagnosis)
    if json is not None:
        where = {"tiles": str(tiles), "labels": str(labels)}
        write_json(json, {"kind": "doctor", "inputs": where, **diagnosis.as_json()})
    if diagnosis.errors:
        count = sum(finding.count for finding in diagnosis.errors)
        raise DatasetError(
            f"{count} problem{'s' if count > 1 else ''} in {tiles} and {labels}. "
            "Training would fail: fix the errors above first."
        )


def _show(diagnosis: Diagnosis) -> None:
    out = console()
    if diagnosis.findings:
        out.print(_findings_table(diagnosis))
    if any(diagnosis.class_pixels):
        out.print(_class_table(diagnosis))
    if not diagnosis.errors:
        out.print(Text(f"{diagnosis.pairs} pairs. ").append("Training may start.", "bold green"))


def _findings_table(diagnosis: Diagnosis) -> Table:
    table = Table("", "count", "finding", show_lines=True)
    table.add_column("where", overflow="fold", ratio=1)
    for finding in diagnosis.findings:
        severity = Text(finding.severity, style=_STYLES[finding.severity])
        what = Text(f"{finding.what}\n").append(finding.remedy, style="dim")
        table.add_row(severity, str(finding.count), what, _places(finding))
    return table


def _places(finding: Finding) -> str:
    more = finding.count - _SHOWN_PLACES
    rest = (f"… and {more} more (--json lists them)",) if more > 0 else ()
    return "\n".join((*finding.where[:_SHOWN_PLACES], *rest))


def _class_table(diagnosis: Diagnosis) -> Table:
    table = Table("index", title=f"schema {diagnosis.schema.name}")
    table.add_column("class", overflow="fold")
    table.add_column("pixels", no_wrap=True)
    table.add_column("share", no_wrap=True)
    total = sum(diagnosis.class_pixels) + diagnosis.ignored_pixels
    rows = [
        (str(index), item.name, count)
        for index, (item, count) in enumerate(
            zip(diagnosis.schema.classes, diagnosis.class_pixels, strict=True)
        )
    ]
    if diagnosis.ignored_pixels:
        rows.append((str(diagnosis.schema.ignore), "(ignored)", diagnosis.ignored_pixels))
    for index, name, count in rows:
        table.add_row(index, name, f"{count:,}", f"{count / total:.2%}")
    return table
