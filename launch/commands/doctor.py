"""`histosyn doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange
from rich.table import Table
from rich.text import Text

from hpc.errors import ConfigError, DatasetError
from launch.argument_types import Suffix
from launch.output_checks import check_output_file
from launch.terminal.console import console

if TYPE_CHECKING:
    from histosyn.doctor.diagnosis import Diagnosis, Source
    from histosyn.doctor.finding import Finding
    from histosyn.doctor.proposal import Proposal
    from histosyn.labels.schema import LabelSchema

_SHOWN_PLACES = 3
# Of a schema with more classes only those that occur are shown.
_SHOWN_CLASSES = 24
_STYLES = {"error": "bold red", "warning": "yellow"}
_SCHEMA_FILE = Path("schema.toml")


def doctor(
    tiles: Path | None = None,
    labels: Path | None = None,
    /,
    *,
    schema: str | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    tile_suffix: Suffix = "",
    label_suffix: Suffix = "",
    objects_are: str | None = None,
    unlabelled: Annotated[int | None, Parameter(validator=InRange(gte=0, lte=255))] = None,
    base_mpp: Annotated[float | None, Parameter(validator=InRange(gt=0))] = None,
    unannotated: str | None = None,
    json: Path | None = None,
    write_schema: Path | None = None,
    system: bool = False,
    shared: Path | None = None,
) -> None:
    """Find what is wrong with a data set, or an installation, before a GPU is asked for.

    Reads every tile and label map once and changes none. Exits with 0 if training may start
    (warnings don't hinder it), with 2 if there are errors to be dealt with first.

    Examples: histosyn doctor tiles labels --schema colon-10, histosyn doctor export (one folder, as
    QuPath exports it), histosyn doctor slides annotations, histosyn doctor --system

    Parameters
    ----------
    tiles
        Folder of H&E tiles (png, jpg, tif, bmp, webp, gif, mat; sub-folders too), or of slides.
    labels
        Folder of label maps of the same names: class indices, or the schema's colours; or of
        annotations (geojson). It may be left out if all lies in one folder.
    schema
        Label schema: prostate-2, prostate-3, colon-10, or a TOML file. Without it (or with
        "auto"), one is proposed from the label maps.
    groups
        CSV with the columns "tile" and --group-column, perhaps also "split" and "mpp".
    group_column
        Its column that names the group of a tile: patient or slide.
    tile_suffix
        How names of tiles end before the type: "_he" for a_he.png; or a type: ".tif".
    label_suffix
        How names of label maps end before the type: "_mask" for a_mask.png; or a type: ".png".
    objects_are
        Class of the objects that label maps number (instance maps: 0, 1, 2, ... one number an
        object); "none" says that the values are classes although they look like such numbers.
    unlabelled
        The value of pixels without a label in label maps by index, such as 0.
    base_mpp
        Microns per pixel of the slides that QuPath exported tiles of.
    unannotated
        Of slides, the class of what no annotation covers. Default: "ignore".
    json
        File for everything that was found, with up to 1000 places a finding.
    write_schema
        File for the proposed schema; by default schema.toml, unless a built-in one fits.
    system
        Examine this installation and machine instead: PyTorch, GPUs, Ray, disk, weights, SLURM.
    shared
        With --system: the folder that all nodes see, to be tried.
    """
    if system:
        if tiles is not None:
            raise ConfigError("--system examines no data set. Leave out the folders, or --system.")
        from launch.system_check import show_system

        show_system(shared=shared, json=json)
        return
    if tiles is None:
        raise ConfigError("Name the folder of tiles and the folder of label maps, or --system.")
    if shared is not None:
        raise ConfigError("--shared goes with --system only. Leave it out.")
    from histosyn.doctor.diagnosis import Source
    from histosyn.sources.pairs import Naming

    naming = Naming(tile_suffix=tile_suffix, label_suffix=label_suffix)
    source = Source(
        tiles=tiles,
        labels=labels or tiles,
        naming=naming,
        groups=groups,
        group_column=group_column,
        objects_are=objects_are,
        unlabelled=unlabelled,
        base_mpp=base_mpp,
    )
    _examine(source, schema, json, write_schema, unannotated)


def _examine(
    source: Source,
    schema: str | None,
    json: Path | None,
    write_schema: Path | None,
    unannotated: str | None,
) -> None:
    from histosyn.labels.schema import load_schema
    from hpc.files import write_json
    from hpc.log import set_up_logging
    from hpc.topology import Topology

    if schema not in (None, "auto") and write_schema is not None:
        raise ConfigError("--write-schema is for a proposed schema. Leave it or --schema out.")
    set_up_logging(Topology())
    check_output_file(json, "--json")
    check_output_file(write_schema, "--write-schema")
    named = None if schema in (None, "auto") else load_schema(str(schema))
    diagnosis = _diagnosis(source, named, unannotated)
    if json is not None:
        where = {"tiles": str(source.tiles), "labels": str(source.labels)}
        write_json(json, {"kind": "doctor", "inputs": where, **diagnosis.as_json()})
    said = None if diagnosis.proposal is None else _save(diagnosis.proposal, write_schema)
    _show(diagnosis, said)
    if diagnosis.errors:
        count = sum(finding.count for finding in diagnosis.errors)
        raise DatasetError(
            f"{count} problem{'s' if count > 1 else ''} in {source.tiles} and {source.labels}. "
            "Training would fail or mislead: fix the errors above first."
        )


def _diagnosis(source: Source, named: LabelSchema | None, unannotated: str | None) -> Diagnosis:
    from histosyn.doctor.diagnosis import examine
    from histosyn.slides.pairs import holds_slides
    from hpc.log import track

    if not holds_slides(source.tiles, source.labels):
        return examine(source, named, lambda looks, total: track(looks, total=total, what="pairs"))
    from histosyn.doctor.slide_examination import examine_slides

    return examine_slides(
        source.tiles,
        source.labels,
        named,
        unannotated,
        source.groups,
        source.group_column,
        lambda looks, total: track(looks, total=total, what="slides"),
    )


def _save(proposal: Proposal, path: Path | None) -> str:
    """Write a proposed schema where that replaces nothing, and say what became of it."""
    from hpc.files import write_text

    target = path or _SCHEMA_FILE
    name = proposal.schema.name
    known = f"The label maps fit the built-in {name}: pass --schema {name}."
    if proposal.built_in and path is None:
        return known
    size = f"A schema of {len(proposal.schema)} classes is proposed"
    try:
        if target.exists() and target.read_text("utf-8") != proposal.toml():
            return (
                f"{size}, but {target} exists and differs, so it was left as it is. Name another "
                "file with --write-schema."
            )
        write_text(target, proposal.toml())
    except (OSError, UnicodeDecodeError) as error:
        return (
            f"{size}, but it cannot be written to {target} ({error}). Name another file with "
            "--write-schema."
        )
    if proposal.built_in:
        return f"{known} It is written to {target}, too."
    if proposal.named:
        return f"{size}, named as the annotations are: pass --schema {target}."
    return f"{size}: edit the names in {target}, then pass --schema {target}."


def _show(diagnosis: Diagnosis, said: str | None) -> None:
    out = console()
    for sentence in diagnosis.assumed:
        out.print(Text(sentence))
    if diagnosis.findings:
        out.print(_findings_table(diagnosis))
    if diagnosis.schema is not None and any(diagnosis.class_pixels):
        out.print(_class_table(diagnosis, diagnosis.schema))
    if said is not None:
        out.print(Text("No schema was given. ", "bold").append(said, "not bold"))
    for note in () if diagnosis.proposal is None else diagnosis.proposal.notes:
        out.print(Text(f"  {note}"))
    if diagnosis.schema is None:
        out.print(Text("No schema was given, and no label map could be read to propose one."))
    if not diagnosis.errors:
        what = "slide" if diagnosis.slides else "pair"
        pairs = f"{diagnosis.pairs} {what}{'s' * (diagnosis.pairs != 1)}. "
        out.print(Text(pairs).append("Training may start.", "bold green"))


def _findings_table(diagnosis: Diagnosis) -> Table:
    table = Table("", "count", "finding", show_lines=True)
    table.add_column("where", overflow="fold", ratio=1)
    for finding in diagnosis.findings:
        severity = Text(finding.severity, style=_STYLES[finding.severity])
        what = Text(f"{finding.what}\n").append(finding.remedy, style="dim")
        table.add_row(severity, f"{finding.count:,}", what, _places(finding))
    return table


def _places(finding: Finding) -> str:
    more = finding.count - _SHOWN_PLACES
    rest = (f"… and {more:,} more (--json lists them)",) if more > 0 else ()
    return "\n".join((*finding.where[:_SHOWN_PLACES], *rest))


def _class_table(diagnosis: Diagnosis, schema: LabelSchema) -> Table:
    table = Table("index", title=f"schema {schema.name}")
    table.add_column("class", overflow="fold")
    holders = "slides with it" if diagnosis.slides else "tiles with it"
    for name in ("pixels", "share", holders):
        table.add_column(name, no_wrap=True, justify="right")
    unknown = diagnosis.unknown_pixels
    total = sum(diagnosis.class_pixels) + diagnosis.ignored_pixels + unknown
    counts = zip(schema.classes, diagnosis.class_pixels, diagnosis.class_tiles, strict=True)
    rows = [
        (str(index), item.name, pixels, f"{tiles:,}")
        for index, (item, pixels, tiles) in enumerate(counts)
        if pixels or len(schema) <= _SHOWN_CLASSES
    ]
    if diagnosis.ignored_pixels:
        rows.append((str(schema.ignore), "(ignored)", diagnosis.ignored_pixels, ""))
    if unknown:
        rows.append(("", "(of no class)", unknown, ""))
    for index, name, pixels, tiles in rows:
        table.add_row(index, name, f"{pixels:,}", f"{pixels / total:.2%}", tiles)
    return table
