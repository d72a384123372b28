"""`histosyn eval c2st`: can a classifier tell synthetic tiles from real ones?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import PartialFailureError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.c2st import show, title_of

if TYPE_CHECKING:
    from eval.features.tile_sources import StoredTiles
    from eval.statistics.result import Result


def c2st(
    real: Path,
    synthetic: Path,
    /,
    *,
    extractor: str = "efficientnet-lite2",
    run_extractor_code: Annotated[bool, Parameter(negative=())] = False,
    model: Path | None = None,
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
    """Classifier two-sample tests: 0.5 where real and synthetic cannot be told apart, 1 where all.

    At full resolution and averaged to 1/2, 1/4 and 1/8, because at the finest scale a classifier
    tells almost any two sets apart: logistic regression on features of a network, and gradient
    boosting on hand-made textures. Patients are kept apart in five folds. Needs the extra `c2st`.

    Example: histosyn eval c2st packed/val tissue --model runs/mine --sheet surest.png

    Parameters
    ----------
    real
        Folder of real tiles, or of shards, which know their patients.
    synthetic
        Folder of synthetic tiles, or of shards. A tile is kept with the patient of the real tile of
        the same name, and of its variants NAME.v1.png, ...
    extractor
        The network: efficientnet-lite0, efficientnet-lite2, inception, random, a file, a folder, as
        `histosyn eval fid` has them. Take one that had no part in training.
    run_extractor_code
        Run the program that a TorchScript extractor is: only for files of people you trust.
    model
        The generator of the tiles: its model, run or checkpoint. An extractor that it was trained
        by is refused.
    groups
        CSV with the columns `tile` and --group-column: the patient of each real tile.
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
        Seed of folds and of a random extractor.
    device
        Where the network computes; `auto` takes a GPU if there is one.
    sheet
        PNG file for the tiles that the classifiers were surest of.
    json
        File for the result with all that made it: features used, settings, hashes, warnings.
    """
    check_output_file(json, "--json")
    check_output_file(sheet, "--sheet")
    check_inputs(
        model=model,
        paths={"real tiles": real, "synthetic tiles": synthetic},
        files={"--groups": groups},
    )
    from eval.distances.report import Grouping
    from eval.extractors.choice import open_extractor
    from eval.features.tile_sources import open_tiles
    from eval.two_samples.report import Settings, two_sample_test
    from histosyn.models.folder import load_model
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    sides = {
        role: open_tiles(path, resize=resize, on_bad_tile=on_bad_tile)
        for role, path in (("real", real), ("synthetic", synthetic))
    }
    grouping = None if groups is None else Grouping(file=groups, column=group_column)
    settings = Settings(
        seed=seed,
        batch_size=batch_size,
        grouping=grouping,
        frozen=None if model is None else load_model(model).facts.frozen_networks,
        show_progress=True,
    )
    network = open_extractor(
        extractor, seed=seed, run_code=run_extractor_code, device=device_of(topology, device)
    )
    result = two_sample_test(sides["real"], sides["synthetic"], network, settings)
    _hand_over(result, json)
    if sheet is not None:
        _draw(result, sides, sheet)
    bad = [text for side in result.inputs.values() for text in side["bad_tiles"]]
    if bad:
        raise PartialFailureError(
            f"{len(bad)} tiles cannot be measured, such as: {bad[0]} The numbers are those of the "
            "others."
        )


def _hand_over(result: Result, json: Path | None) -> None:
    # First, because whoever reads the table may close the pipe.
    if json is not None:
        result.save(json)
    show(result)


def _draw(result: Result, sides: dict[str, StoredTiles], path: Path) -> None:
    from eval.two_samples.report import SUREST
    from eval.two_samples.sheet import draw_sheet
    from histosyn.images.origin import synthetic_png_bytes
    from hpc.files import write_bytes

    rows = {
        role: {side.tile_name(row): row for row in range(len(side))} for role, side in sides.items()
    }
    read = {role: lambda name, role=role: sides[role].read(rows[role][name]) for role in sides}
    surest = result.tables[SUREST]
    titles = {name: title_of(name) for name in surest}
    write_bytes(path, synthetic_png_bytes(draw_sheet(surest, titles, read)))
