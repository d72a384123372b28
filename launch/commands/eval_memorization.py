"""`histosyn eval memorization`: are synthetic tiles copies of training tiles?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import PartialFailureError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.ratios import show_ratios

if TYPE_CHECKING:
    from eval.features.tile_sources import StoredTiles
    from eval.statistics.result import Result


def memorization(
    training: Path,
    synthetic: Path,
    /,
    *,
    held_out: Path,
    extractor: str = "efficientnet-lite2",
    run_extractor_code: Annotated[bool, Parameter(negative=())] = False,
    groups: Path | None = None,
    group_column: str = "patient",
    resize: Annotated[int | None, Parameter(validator=InRange(gte=16))] = None,
    on_bad_tile: Literal["error", "skip"] = "error",
    batch_size: Annotated[int, Parameter(validator=InRange(gte=1))] = 32,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    sheet: Path | None = None,
    json: Path | None = None,
) -> None:
    """Memorization: the nearest training tile of synthetic tiles, and of real ones held out.

    By features of a network and by pixels, under the eight symmetries. A ratio of 1: synthetic
    tiles are as far from the training set as unseen real tissue is; below 1 they are nearer. The
    second number counts tiles that are nearer than every held-out tile: look at them (--sheet).
    Copies of a part of a tile, moved or scaled, are not looked for.

    Example: histosyn eval memorization packed/train tissue --held-out packed/val --sheet pairs.png

    Parameters
    ----------
    training
        The tiles that the generator was trained on: a folder, or one of shards.
    synthetic
        Folder of synthetic tiles, or of shards.
    held_out
        Real tiles that were not trained on, best of other patients: a folder, or one of shards.
    extractor
        The network: efficientnet-lite0, efficientnet-lite2, inception, random, a file, a folder, as
        `histosyn eval fid` has them.
    run_extractor_code
        Run the program that a TorchScript extractor is: only for files of people you trust.
    groups
        CSV with the columns `tile` and --group-column: the patient of each real tile, of training
        and held out. Shards know them.
    group_column
        Column of --groups that names the patient or slide.
    resize
        Bring every tile to this many pixels a side (bicubic).
    on_bad_tile
        `skip` measures without tiles that cannot be read, names and counts them, and ends with exit
        code 1; `error` names them and ends with 2.
    batch_size
        Tiles a pass through the network on a GPU; it changes speed and memory only.
    seed
        Seed of the random extractor.
    device
        Where the network computes; `auto` takes a GPU if there is one.
    sheet
        PNG file for the closest pairs, side by side.
    json
        File for the result with all that made it: settings, hashes, closest pairs, warnings.
    """
    check_output_file(json, "--json")
    check_output_file(sheet, "--sheet")
    check_inputs(
        paths={
            "training tiles": training,
            "synthetic tiles": synthetic,
            "--held-out tiles": held_out,
        },
        files={"--groups": groups},
    )
    from eval.distances.report import Grouping
    from eval.extractors.choice import open_extractor
    from eval.features.tile_sources import open_tiles
    from eval.memorization.report import ROLES, Settings, sentence_of
    from eval.memorization.report import memorization as measure
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    sides = {
        role: open_tiles(path, resize=resize, on_bad_tile=on_bad_tile)
        for role, path in zip(ROLES, (training, synthetic, held_out), strict=True)
    }
    grouping = None if groups is None else Grouping(file=groups, column=group_column)
    network = open_extractor(
        extractor, seed=seed, run_code=run_extractor_code, device=device_of(topology, device)
    )
    settings = Settings(batch_size=batch_size, grouping=grouping, show_progress=True)
    result = measure(sides["training"], sides["synthetic"], sides["held_out"], network, settings)
    if json is not None:
        result.save(json)
    if sheet is not None:
        _draw(result, sides, sheet)
    show_ratios(result, "Distance to the nearest training tile", sentence_of(result.numbers))
    bad = [text for side in result.inputs.values() for text in side["bad_tiles"]]
    if bad:
        raise PartialFailureError(
            f"{len(bad)} tiles cannot be measured, such as: {bad[0]} The numbers are those of the "
            "others."
        )


def _draw(result: Result, sides: dict[str, StoredTiles], path: Path) -> None:
    from eval.memorization.sheet import draw_sheet
    from histosyn.images.origin import synthetic_png_bytes
    from hpc.files import write_bytes

    rows = {
        role: {side.tile_name(row): row for row in range(len(side))} for role, side in sides.items()
    }
    read = {role: lambda name, role=role: sides[role].read(rows[role][name]) for role in sides}
    write_bytes(path, synthetic_png_bytes(draw_sheet(result.tables["closest"], read)))
