"""`histosyn eval faithfulness`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange
from rich.table import Table
from rich.text import Text

from hpc.errors import PartialFailureError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.console import console
from launch.terminal.footnotes import Notes

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result


def faithfulness(
    segmenter: Path,
    synthetic: Path,
    labels: Path,
    /,
    *,
    real: Path | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    replicates: Annotated[int, Parameter(validator=InRange(gte=1))] = 2000,
    seed: int = 0,
    batch_size: Annotated[int, Parameter(validator=InRange(gte=1))] = 16,
    on_bad_tile: Literal["error", "skip"] = "error",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    json: Path | None = None,
) -> None:
    """Does a segmenter find in synthetic tiles the tissue that their label maps asked for?

    Dice and IoU of each class, beside the segmenter's own on held-out real tiles, with intervals.

    Example: histosyn eval faithfulness runs/segmenter tissue labels --real packed/val

    Parameters
    ----------
    segmenter
        What `histosyn eval segmenter train` made: the run's folder, or the model folder in it.
    synthetic
        Folder of synthetic tiles: NAME.png, or NAME.v1.png, ... for variants.
    labels
        Folder of the label maps that they were made from, or of the shards that hold them. Shards
        know their patients.
    real
        Folder of shards of real tiles that the segmenter has never seen, such as packed/val: what
        it can reach at best.
    groups
        CSV with the columns `tile` and --group-column: the patient of each label map in a folder.
        Tiles of a patient are no independent evidence, so intervals are drawn by patient.
    group_column
        Column of --groups that names the patient or slide.
    replicates
        Resamples for the intervals.
    seed
        Seed of the resamples.
    batch_size
        Tiles a pass through the segmenter; it changes speed and memory only.
    on_bad_tile
        Tiles without label map, label maps without tile, damaged ones, unknown classes, sizes that
        differ: name them all and measure nothing, or measure the others (exit code 1).
    device
        Where the segmenter computes; `auto` takes a GPU if there is one.
    json
        File for the result with all that made it: confusion matrices, hashes, settings, warnings.
    """
    check_output_file(json, "--json")
    check_inputs(
        segmenter=segmenter,
        folders={"folder of tiles": synthetic, "folder of label maps": labels},
        shards={"--real": real},
        files={"--groups": groups},
    )
    from eval.faithfulness.report import Settings
    from eval.faithfulness.report import faithfulness as measure
    from eval.segmenter.labelled_tiles import ShardTiles, SyntheticTiles, open_labels
    from eval.segmenter.model import load_segmenter
    from hpc.log import set_up_logging, track
    from hpc.process_group import device_of
    from hpc.topology import detect

    def show(rows: range, what: str) -> Iterable[int]:
        return track(rows, total=len(rows), what=what)

    topology = detect()
    set_up_logging(topology)
    reader = load_segmenter(segmenter, device_of(topology, device))
    asked = open_labels(labels, reader.facts.schema, groups, group_column)
    result = measure(
        reader,
        SyntheticTiles(synthetic, asked),
        None if real is None else ShardTiles(real),
        Settings(replicates=replicates, seed=seed, batch_size=batch_size, on_bad_tile=on_bad_tile),
        show,
    )
    if json is not None:
        result.save(json)
    _show(result)
    _tell_bad(result, json)


def _tell_bad(result: Result, json: Path | None) -> None:
    sides = [side for side in result.inputs.values() if "bad_tiles" in side]
    bad = [text for side in sides for text in side["bad_tiles"]]
    if bad:
        raise PartialFailureError(
            f"{len(bad)} tiles or label maps cannot be used, such as: {bad[0]} The numbers are "
            f"those of the others. {'--json lists' if json is None else f'{json} lists'} them all."
        )


def _show(result: Result) -> None:
    """A row a statistic, a column a side."""
    sides = list(dict.fromkeys(number.details["side"] for number in result.numbers))
    rows: dict[str, dict[str, Number]] = {}
    for number in result.numbers:
        of_class = number.details.get("class", "all classes")
        title = f"{number.name.replace('_', ' ')}, {of_class}"
        rows.setdefault(title, {})[number.details["side"]] = number
    table, notes = Table(title="Label faithfulness", title_justify="left"), Notes()
    table.add_column("", no_wrap=True)
    for side in sides:
        table.add_column(side)
    for title, numbers in rows.items():
        table.add_row(title, *(number_text(numbers[side], notes) for side in sides))
    out = console()
    out.print(table)
    for line in notes.lines():
        out.print(line)
    for name, side in result.inputs.items():
        if name == "segmenter":
            out.print(f"segmenter: {side['schema']}, weights sha256 {side['sha256'][:12]}…")
        else:
            units = side["units"] if isinstance(side["units"], int) else len(side["units"])
            out.print(f"{name}: {side['name']}, {side['tiles']} tiles, {units} {side['drawn_by']}s")
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def number_text(number: Number, notes: Notes) -> str:
    """A value with its interval, and the mark of a note why there is none or what to know of it."""
    if number.value is None:
        return f"undefined: {number.reason}"
    text = f"{number.value:.3f}"
    if number.interval is not None:
        low, high = number.interval
        text += f" [{low:.3f}, {high:.3f}]"
    return f"{text} {notes.mark(number.details['interval_note'])}".strip()
