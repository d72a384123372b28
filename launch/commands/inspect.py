"""`histosyn inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from launch.output_checks import check_output_file
from launch.terminal.console import console

if TYPE_CHECKING:
    from histosyn.shards.index import LeftOut
    from histosyn.shards.inspection import Inspection, Part
    from histosyn.shards.verification import Fault

# What the index says of label maps in shards, in words.
_STORED = {"indices": "class indices", "colours": "colours or values that the schema explains"}
_PARTS = ("train", "val", "test")
_MOST_SAMPLES = 200
_SHOWN = 20
_BAR_WIDTH = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"


def inspect(
    shards: Path,
    /,
    *,
    sheet: Path | None = None,
    samples: int = 24,
    seed: int = 0,
    verify: bool = False,
    json: Path | None = None,
    schema: str | None = None,
) -> None:
    """Show what is in a packed data set: facts, class histogram, and a page of samples.

    The page is a PNG of tiles over their label maps in the colours of the schema. Exits with 2 if
    anything is wrong: a shard missing, damaged, unknown to the index or compressed, a sample of the
    page that cannot be read, a group in two parts; with --verify also if anything is not as the
    index says, or was left out of it.

    All parts: histosyn inspect packed

    Everything, byte by byte: histosyn inspect packed/train --verify

    Shards of other tools, which are indexed first: histosyn inspect folder --schema prostate-3

    Parameters
    ----------
    shards
        Folder of shards (OUT/train), or OUT that histosyn pack wrote.
    sheet
        File for the page. Default: FOLDER-sheet.png in the current folder; never among the shards.
    samples
        Samples of each part on the page, 1 to 200.
    seed
        Decides which samples.
    verify
        Read everything on all cores: sizes and sha256 of the shards, their members, each sample as
        training reads it, class counts.
    json
        File for all of it: facts, histogram, what was left out, and every fault.
    schema
        Label schema of shards without an index: prostate-2, prostate-3, colon-10, or a TOML file.
    """
    from histosyn.images.contact_sheet import draw_page
    from histosyn.images.tiles import png_bytes
    from histosyn.shards.inspection import inspect_shards
    from hpc.errors import ConfigError, DatasetError
    from hpc.files import write_bytes, write_json
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ConfigError(f"--samples {samples} must be 1 to {_MOST_SAMPLES}.")
    page = sheet or _default_page(shards)
    if page.suffix.lower() != ".png":
        raise ConfigError(f"--sheet {page} must end in .png: it is a PNG.")
    check_output_file(page, "--sheet")
    check_output_file(json, "--json")
    inspection = inspect_shards(
        shards,
        schema=schema,
        samples=samples,
        seed=seed,
        thorough=verify,
        track=lambda checked, total: track(checked, total=total, what="shards"),
    )
    write_bytes(page, png_bytes(draw_page(inspection.sections)))
    if json is not None:
        inputs = {"shards": str(shards), "samples": samples, "seed": seed, "schema": schema}
        facts = {"kind": "inspect", "inputs": inputs, "sheet": str(page)}
        write_json(json, facts | inspection.as_json())
    _show(inspection, page)
    if problems := _problems(inspection, shards):
        raise DatasetError(problems)


def _default_page(shards: Path) -> Path:
    """In the current folder, unless that is the shards'; named so that parts differ."""
    folder = shards.resolve()
    names = [folder.parent.name, folder.name] if folder.name in _PARTS else [folder.name]
    here = Path.cwd()
    place = folder.parent if here.is_relative_to(folder) else Path()
    return place / f"{'-'.join(filter(None, names))}-sheet.png"


def _show(inspection: Inspection, page: Path) -> None:
    out = console()
    for part in inspection.parts:
        out.print(Text(str(part.folder), style="bold"))
        for name, value in _facts(part).items():
            out.print(Text.assemble((f"{name:<9}", "dim"), value))
        out.print(_classes_table(part))
        if part.index.left_out:
            out.print(_places_table("left out of the index", part.index.left_out))
        if faults := inspection.faults[part.name]:
            out.print(_places_table("faults", _shards_first(faults)))
    if inspection.straddling:
        out.print(_straddling_table(inspection))
    out.print(Text(_verdict(inspection)))
    out.print(Text(f"A page of samples is in {page}"))


def _facts(part: Part) -> dict[str, str]:
    index = part.index
    height, width = index.tile_size
    mpp = f"{index.mpp:g} microns per pixel" if index.mpp else "microns per pixel unknown"
    alone = part.tiles_without_group
    return {
        "samples": f"{len(index):,} in {_counted(len(index.shards), 'shard')}, "
        f"{part.size_bytes / (1 << 20):,.1f} MiB",
        "tiles": f"{width}x{height} pixels, {mpp}",
        "groups": f"{len(part.groups):,}" + (f" ({alone:,} tiles without one)" if alone else ""),
        "labels": f"schema {index.schema.name}, stored as {_STORED[index.label_values]}",
        "made by": _flat(index.made_by),
    }


def _classes_table(part: Part) -> Table:
    table = Table("index")
    table.add_column("class", overflow="fold")
    for heading in ("pixels", "share"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("", no_wrap=True, width=_BAR_WIDTH)
    table.add_column("tiles", no_wrap=True, justify="right")
    for row in part.classes:
        tiles = "" if row.tiles is None else f"{row.tiles:,} {row.tile_share:>6.1%}"
        pixels = (f"{row.pixels:,}", f"{row.pixel_share:.2%}", bar(row.pixel_share))
        table.add_row(str(row.index), row.name, *pixels, tiles)
    return table


def bar(share: float) -> str:
    """A share in [0, 1] as a bar of text; whatever is not zero can be seen."""
    eighths = max(round(min(share, 1) * _BAR_WIDTH * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _places_table(title: str, places: Sequence[LeftOut | Fault]) -> Table:
    table = Table("shard", title=f"{len(places):,} {title}", title_justify="left")
    table.add_column("sample", overflow="fold")
    table.add_column("cause", overflow="fold")
    for place in places[:_SHOWN]:
        table.add_row(place.shard, place.key, place.cause)
    if len(places) > _SHOWN:
        table.add_row("…", "", f"and {len(places) - _SHOWN:,} more (--json lists them)")
    return table


def _shards_first(faults: Sequence[Fault]) -> list[Fault]:
    """One that is cut short has many samples, which would hide what else there is."""
    from histosyn.shards.verification import WHOLE_FILE

    return sorted(faults, key=lambda fault: fault.key != WHOLE_FILE)


def _straddling_table(inspection: Inspection) -> Table:
    table = Table("group", "parts", title="groups in several parts", title_justify="left")
    for group, parts in list(inspection.straddling.items())[:_SHOWN]:
        table.add_row(group, ", ".join(parts))
    if len(inspection.straddling) > _SHOWN:
        table.add_row("…", f"and {len(inspection.straddling) - _SHOWN:,} more (--json lists them)")
    return table


def _verdict(inspection: Inspection) -> str:
    indexes = [part.index for part in inspection.parts]
    samples = _counted(sum(map(len, indexes)), "sample")
    if left_out := sum(len(index.left_out) for index in indexes):
        samples += f", {left_out:,} left out"
    if not inspection.verified:
        return f"{samples}. --verify reads them all and compares them with the index."
    if inspection.lost or any(inspection.faults.values()):
        return f"{samples}. All were checked."
    return f"{samples}. All were checked and are as the index says."


def _problems(inspection: Inspection, shards: Path) -> str:
    sentences = []
    if count := sum(map(len, inspection.faults.values())):
        sentences.append(
            f"{_counted(count, 'fault')} in {shards}, listed above. Copy the shards again or pack "
            "anew; to train without bad samples: --data.on-bad-sample skip."
        )
    if lost := len(inspection.lost):
        what = "left out of" if inspection.verified else "damaged in"
        sentences.append(
            f"{_counted(lost, 'place or sample', 'places or samples')} {what} {shards}, listed "
            "above. Repair the shards and index them anew (remove dataset.json), or train without "
            "these: --data.on-bad-sample skip."
        )
    if groups := list(inspection.straddling):
        named = ", ".join(groups[:3]) + (", …" if len(groups) > 3 else "")
        sentences.append(
            f"{_counted(len(groups), 'group')} of {shards} in more than one part ({named}): "
            "results on what was trained on look better than they are. Pack anew with --groups."
        )
    return " ".join(sentences)


def _counted(number: int, what: str, several: str | None = None) -> str:
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def _flat(facts: dict[str, Any]) -> str:
    """Nested facts in one line; what was not set is left away."""
    parts = []
    for name, value in facts.items():
        if isinstance(value, dict):
            parts.append(_flat(value))
        elif value not in (None, ""):
            parts.append(f"{name} {value}")
    return ", ".join(filter(None, parts))
