"""`histosyn eval stain`: are synthetic tiles stained as real ones are?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError, PartialFailureError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.ratios import show_ratios

if TYPE_CHECKING:
    from eval.stain.sides import Stained


def stain(
    real: Path,
    synthetic: Path,
    /,
    *,
    labels: Path | None = None,
    real_labels: Path | None = None,
    schema: str | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    field: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    real_field: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    window: Annotated[int, Parameter(validator=InRange(gte=32))] = 256,
    on_bad_tile: Literal["error", "skip"] = "error",
    seed: int = 0,
    json: Path | None = None,
) -> None:
    """Hematoxylin and eosin: how far apart real and synthetic tiles are, in optical density.

    Distances between the distributions of their means and spreads over tissue, also by class where
    label maps are given, beside the distance between halves of the real patients; the spread
    between patients, synthetic over real; the drift over a large field, which has one stain.

    Example: histosyn eval stain packed/val tissue --labels new_labels --schema prostate-3

    Parameters
    ----------
    real
        Folder of real tiles, or of shards, which know their patients and label maps.
    synthetic
        Folder of synthetic tiles, or of shards.
    labels
        The label maps that synthetic tiles were made from: a folder, or one of shards. With those
        of the real tiles, each class is measured.
    real_labels
        Folder of the label maps of real tiles that are no shards.
    schema
        What the label maps in folders mean: a TOML file, or a built-in name.
    groups
        CSV with the columns `tile` and --group-column: the patient of each real tile.
    group_column
        Column of --groups that names the patient or slide.
    field
        A large synthetic image, such as one of 2048 pixels a side; may be given several times.
    real_field
        A large real image, to compare the drift of the synthetic ones with.
    window
        Side in pixels of the windows that a large field is cut into.
    on_bad_tile
        `skip` measures without tiles that cannot be read, names and counts them, and ends with exit
        code 1; `error` names them and ends with 2.
    seed
        Seed of the intervals and of the halves that the floor compares.
    json
        File for the result with all that made it: values, settings, hashes, warnings.
    """
    check_output_file(json, "--json")
    check_inputs(
        paths={"real tiles": real, "synthetic tiles": synthetic},
        folders={"--labels": labels, "--real-labels": real_labels},
        files={
            "--groups": groups,
            **{f"--field {path}": path for path in field},
            **{f"--real-field {path}": path for path in real_field},
        },
    )
    from eval.stain.report import Settings, sentence_of
    from eval.stain.report import stain as measure
    from histosyn.images.tiles import read_tile
    from hpc.log import set_up_logging, track
    from hpc.topology import detect

    def show(rows: range, what: str) -> Iterable[int]:
        return track(rows, total=len(rows), what=what)

    set_up_logging(detect())
    result = measure(
        _side(real, real_labels, schema, groups, group_column, with_labels=labels is not None),
        _side(synthetic, labels, schema, None, group_column, with_labels=labels is not None),
        Settings(seed=seed, on_bad_tile=on_bad_tile, window=window),
        show,
        {
            "synthetic": {path.name: read_tile(path) for path in field},
            "real": {path.name: read_tile(path) for path in real_field},
        },
    )
    if json is not None:
        result.save(json)
    title = "Stain, synthetic and real (optical density, base 10)"
    show_ratios(result, title, sentence_of(result.numbers))
    bad = [text for side in result.inputs.values() for text in side["bad_tiles"]]
    if bad:
        raise PartialFailureError(
            f"{len(bad)} tiles cannot be measured, such as: {bad[0]} The numbers are those of the "
            "others."
        )


def _side(
    tiles: Path,
    labels: Path | None,
    schema: str | None,
    groups: Path | None,
    column: str,
    *,
    with_labels: bool,
) -> Stained:
    from eval.features.tile_sources import open_tiles
    from eval.segmenter.labelled_tiles import ShardTiles, SyntheticTiles, open_labels
    from eval.stain.sides import PlainTiles, TilesWithLabels
    from histosyn.labels.schema import load_schema
    from histosyn.shards.dataset import index_folder

    if with_labels and index_folder(tiles) is not None:
        return TilesWithLabels(ShardTiles(tiles))
    if labels is None:
        return PlainTiles(open_tiles(tiles), groups, column)
    if schema is None and index_folder(labels) is None:
        raise InputError(f"What the label maps in {labels} mean is not known: give --schema.")
    meaning = load_schema(schema) if schema is not None else ShardTiles(labels).schema
    return TilesWithLabels(SyntheticTiles(tiles, open_labels(labels, meaning, groups, column)))
