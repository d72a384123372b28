"""`histosyn eval fid`: the Fréchet distance between two sets of tiles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange
from rich.table import Table
from rich.text import Text

from hpc.errors import InputError
from hpc.part import Part, parse_part
from launch.console import console
from launch.outputs import check_output_file, check_output_folder

if TYPE_CHECKING:
    from eval.features import Extractor
    from eval.fid import StoredSide
    from eval.result import Result


def fid(
    real: Path,
    synthetic: Path,
    /,
    *,
    extractor: Literal["inception", "random"] = "inception",
    inception_weights: Path | None = None,
    resize: Annotated[int | None, Parameter(validator=InRange(gte=16))] = None,
    batch_size: Annotated[int, Parameter(validator=InRange(gte=1))] = 32,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    part: str | None = None,
    parts_folder: Path | None = None,
    save_statistics: Path | None = None,
    json: Path | None = None,
) -> None:
    """Fréchet distance between two folders of tiles, with its real-versus-real floor.

    In place of tiles a statistics file will do, also one written by pytorch-fid.

    Parameters
    ----------
    real
        Folder of real tiles (png, jpg, tif, bmp; sub-folders too) or of shards, or a statistics
        file (.npz).
    synthetic
        Folder of synthetic tiles or of shards, or a statistics file (.npz).
    extractor
        The network that sees the tiles: `inception` is the FID's; `random` needs no weights, and
        its distances are comparable within one run only, for demos.
    inception_weights
        Weights file of pytorch-fid's Inception. Without it: the file that the environment variable
        HISTOSYN_INCEPTION_WEIGHTS names, or the one in torch's hub folder. Nothing is downloaded.
    resize
        Bring every tile to this many pixels a side (bicubic). Needed where sizes are mixed.
    batch_size
        Tiles a pass through the network; it changes speed and memory only.
    seed
        Seed of the random extractor, and of the halves that the floor compares.
    device
        Where the network computes; `auto` takes a GPU if there is one.
    part
        Measure one part of the tiles only, such as 3/16, into --parts-folder, while other processes
        measure the others. `histosyn submit eval fid --parts 16` does it all.
    parts_folder
        Folder for what parts measure. Without --part: compare what all parts have measured; the
        result is the same as that of one process. --json and --save-statistics come with it.
    save_statistics
        Folder for `real.npz` and `synthetic.npz`: statistics that spare the next run a side.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    from eval.features import open_extractor
    from eval.fid import distance_between, distance_of_parts, open_side
    from eval.population import Population
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    chosen = _chosen_part(part, parts_folder)
    check_output_file(json, "--json")
    check_output_folder(save_statistics, "--save-statistics")
    sides = open_side(real, resize=resize), open_side(synthetic, resize=resize)
    if parts_folder is not None and chosen is None:
        result = distance_of_parts(*sides, parts_folder, seed=seed, save_statistics=save_statistics)
    else:
        network = None
        if not all(isinstance(side, Population) for side in sides):
            network = open_extractor(
                extractor,
                inception_weights=inception_weights,
                seed=seed,
                device=device_of(topology, device),
            )
        if chosen is not None and parts_folder is not None:
            _measure_parts(sides, network, chosen, parts_folder, batch_size)
            return
        result = distance_between(
            *sides,
            extractor=network,
            seed=seed,
            batch_size=batch_size,
            save_statistics=save_statistics,
            show_progress=True,
        )
    _show(result)
    if json is not None:
        result.save(json)


def _chosen_part(part: str | None, folder: Path | None) -> Part | None:
    if part is None:
        return None
    if folder is None:
        raise InputError("--part measures into --parts-folder. Name one, the same for all parts.")
    return parse_part(part)


def _measure_parts(
    sides: tuple[StoredSide, StoredSide],
    network: Extractor | None,
    part: Part,
    folder: Path,
    batch_size: int,
) -> None:
    from eval.parts import measure_part, write_part
    from eval.population import Population

    for role, side in zip(("real", "synthetic"), sides, strict=True):
        if isinstance(side, Population) or network is None:
            continue
        measured = measure_part(side, network, part, batch_size=batch_size, progress=role)
        path = write_part(folder, role, measured)
        n = measured.population.n
        console().print(f"part {part}: {n} of {measured.total} {role} tiles measured, in {path}")


def _show(result: Result) -> None:
    table = Table(show_header=False, title="Fréchet distance", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    distance, floor = result.numbers
    table.add_row("real to synthetic", Text(f"{distance.value:.4g}", style="bold"))
    table.add_row("real to real (floor)", _floor_text(floor.value, floor.n, floor.reason))
    for role, side in result.inputs.items():
        table.add_row(role, _side_text(side))
    if result.settings["extractor"] is not None:
        sha256 = result.settings["weights_sha256"][:12]
        table.add_row("extractor", f"{result.settings['extractor']}, weights sha256 {sha256}…")
        table.add_row("preprocessing", result.settings["preprocessing"])
    out = console()
    out.print(table)
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _floor_text(value: float | None, half: int, reason: str | None) -> str:
    if value is None:
        return f"undefined: {reason}"
    return f"{value:.4g} (median of random halves, {half} tiles each)"


def _side_text(side: dict[str, Any]) -> str:
    if side["n"] is None:
        return f"{side['name']}: statistics, number of tiles unknown"
    height, width = side["tile_size"]
    prepared = "" if side["preparation"] == "none" else f" ({side['preparation']})"
    return f"{side['name']}: {side['n']} tiles of {width}x{height} pixels{prepared}"
