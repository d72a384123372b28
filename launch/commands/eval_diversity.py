"""`histosyn eval diversity`: does synthetic tissue vary as real tissue does?"""

from __future__ import annotations

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
from launch.terminal.numbers import interval_text, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Result


def diversity(
    real: Path,
    synthetic: Path,
    /,
    *,
    extractor: str = "efficientnet-lite2",
    run_extractor_code: Annotated[bool, Parameter(negative=())] = False,
    canvas: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    on_bad_tile: Literal["error", "skip"] = "error",
    batch_size: Annotated[int, Parameter(validator=InRange(gte=1))] = 32,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    json: Path | None = None,
) -> None:
    """Diversity: of variants of a label map, of stain over tiles; and drift over one canvas.

    Variants and stain are synthetic over real, 1 where synthetic tissue varies as much. Drift is
    the change of stain from end to end of a large image, in units of the spread of real tiles: a
    slide has one stain, so it should be near 0.

    Example: histosyn synth runs/mine labels tissue --variants 4

    Example: histosyn eval diversity packed/val tissue --canvas large.png

    Parameters
    ----------
    real
        Folder of shards of real tiles: their label maps tell which tiles are of like composition.
    synthetic
        Folder of synthetic tiles NAME.v1.png, NAME.v2.png, ..., or of shards.
    extractor
        The network that sees the tiles, as `histosyn eval fid` has them.
    run_extractor_code
        Run the program that a TorchScript extractor is: only for files of people you trust.
    canvas
        A large synthetic image, such as one of 2048 pixels a side; may be given several times.
    on_bad_tile
        `skip` measures without tiles that cannot be read, names and counts them, and ends with exit
        code 1; `error` names them and ends with 2.
    batch_size
        Tiles a pass through the network on a GPU; it changes speed and memory only.
    seed
        Seed of the random extractor.
    device
        Where the network computes; `auto` takes a GPU if there is one.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    check_output_file(json, "--json")
    check_inputs(
        shards={"real tiles": real},
        paths={"synthetic tiles": synthetic},
        files={f"--canvas {path}": path for path in canvas},
    )
    from eval.diversity.report import Settings
    from eval.diversity.report import diversity as measure
    from eval.extractors.choice import open_extractor
    from eval.features.tile_sources import TileShards, open_tiles
    from histosyn.images.tiles import read_tile
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    network = open_extractor(
        extractor, seed=seed, run_code=run_extractor_code, device=device_of(topology, device)
    )
    result = measure(
        TileShards(folder=real, on_bad_tile=on_bad_tile),
        open_tiles(synthetic, on_bad_tile=on_bad_tile),
        network,
        Settings(batch_size=batch_size, show_progress=True),
        {str(path): read_tile(path) for path in canvas},
    )
    if json is not None:
        result.save(json)
    _show(result)
    bad = [text for side in result.inputs.values() for text in side["bad_tiles"]]
    if bad:
        raise PartialFailureError(
            f"{len(bad)} tiles cannot be measured, such as: {bad[0]} The numbers are those of the "
            "others."
        )


def _show(result: Result) -> None:
    table, notes = Table(title="Diversity, synthetic over real", title_justify="left"), Notes()
    for title in ("", "ratio", "95 % interval", "n"):
        table.add_column(title, overflow="fold")
    for number in result.numbers:
        value = "undefined" if number.value is None else value_text(number.value)
        note = notes.mark(number.details.get("interval_note"))
        interval = f"{interval_text(number.interval)} {note}".strip()
        table.add_row(Text(number.name.replace("_", " ", 1)), value, interval, str(number.n))
    out = console()
    out.print(table)
    for line in notes.lines():
        out.print(Text(line))
    settings = result.settings
    sha256 = settings["weights_sha256"][:12]
    out.print(Text(f"extractor: {settings['extractor']}, weights sha256 {sha256}…"))
    for text in dict.fromkeys(n.reason for n in result.numbers if n.reason is not None):
        out.print(Text("undefined: ", style="yellow").append(text, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))
