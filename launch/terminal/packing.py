"""What `histosyn pack` prints: the schema it found, and what was packed."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from launch.terminal.console import console

if TYPE_CHECKING:
    from histosyn.doctor.proposal import Proposal
    from histosyn.labels.label_map import LabelSchema
    from histosyn.shards.index import DatasetIndex


def tell_schema(proposal: Proposal, out: Path) -> None:
    """Say which schema was found or proposed, before the work begins."""
    screen = console()
    if proposal.built_in:
        known = f"the colours of the label maps are those of {proposal.schema.name}."
        screen.print(Text("No schema was named: ", "bold").append(known, "not bold"))
        return
    names = ", ".join(item.name for item in proposal.schema.classes)
    if proposal.named:
        told = f"the classes of the annotations are taken ({names}), and the schema goes to "
        screen.print(Text("No schema was named: ", "bold").append(told, "not bold")
                     .append(f"{out / 'schema.toml'}.", "not bold"))  # fmt: skip
        return
    told = (
        f"the label maps do not tell what their classes are called, so they are packed as {names}, "
        f"and the schema goes to {out / 'schema.toml'}. To give the classes their names, edit a "
        "copy of that file and pack again with --schema COPY; pack other folders of the same "
        "classes with the same file."
    )
    screen.print(Text("No schema was named: ", "bold yellow").append(told, "not bold"))
    for note in proposal.notes:
        screen.print(Text(f"  {note}"))


def summary(indexes: dict[str, DatasetIndex], out: Path, min_tissue: float) -> str:
    """What was left out, and what to do next."""
    left_out = sum(index.made_by["crops_left_out"] for index in indexes.values())
    sentences = [f"Packed into {out}."]
    if min_tissue:
        sentences.append(f"Left out: {left_out} with less than {min_tissue:.0%} tissue.")
    part = next(iter(indexes))
    sentences.append(f"Train with: histosyn train --data.shards {quote(str(out / part))}")
    return " ".join(sentences)


def parts_table(indexes: dict[str, DatasetIndex]) -> Table:
    """One row a part of the split."""
    table = Table("part", "samples", "groups", "shards", "MiB", "left out")
    for part, index in indexes.items():
        size = sum(shard.size_bytes for shard in index.shards) / (1 << 20)
        groups = len(index.table.groups())
        left_out = index.made_by["crops_left_out"]
        cells = (len(index), groups, len(index.shards), f"{size:.1f}", left_out)
        table.add_row(part, *map(str, cells))
    return table


def classes_table(indexes: dict[str, DatasetIndex], schema: LabelSchema) -> Table:
    """One row a class, so that any number of classes fits; shares are of the labelled pixels."""
    table = Table("index")
    table.add_column("class", overflow="fold")
    for part in indexes:
        table.add_column(f"{part} pixels", no_wrap=True)
        table.add_column(f"{part} tiles", no_wrap=True)
    for number, item in enumerate(schema.classes):
        cells = []
        for index in indexes.values():
            count, total = index.class_pixels[number], sum(index.class_pixels)
            cells.append(f"{count / total:.2%}" if total else "-")
            cells.append(str(index.class_samples[number]))
        table.add_row(str(number), item.name, *cells)
    return table
