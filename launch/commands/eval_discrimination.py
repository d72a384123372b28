"""`histosyn eval discrimination`: can readers tell synthetic tiles from real ones?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.discrimination import show, title_of_row

if TYPE_CHECKING:
    from eval.statistics.result import Result


def discrimination(
    ratings: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    categories: str | None = None,
    margin: Annotated[float | None, Parameter(validator=InRange(gt=0, lt=2))] = None,
    machine: Path | None = None,
    real: Path | None = None,
    synthetic: Path | None = None,
    sheet: Path | None = None,
    plot: Path | None = None,
    json: Path | None = None,
) -> None:
    """Can readers tell synthetic from real? Accuracy, d', AUC of each, and of readers in general.

    Per reader: accuracy, sensitivity, specificity (Wilson and exact intervals), d' and criterion
    (log-linear), AUC of the confidence (DeLong); of pairs the share of right choices. The mean of
    readers with readers and images both random (Obuchowski-Rockette, Hillis), and whether it is
    equivalent to chance within a margin set beforehand. Naive and informed blocks apart.

    Example: histosyn eval discrimination ratings/discrimination.csv --plot readers.svg

    Example: histosyn eval discrimination a/discrimination.csv a/discrimination-informed.csv

    Example: histosyn eval discrimination ratings/discrimination.csv --machine c2st.json --real real
    --synthetic tissue --sheet surest.png

    Parameters
    ----------
    ratings
        Files of `histosyn study read`, or CSV with the columns image,rater,rating,arm (or
        pair,rater,rating,synthetic), and block and patient if known.
    categories
        The scale from surely real to surely synthetic. Default: the study's, or 1 to an even
        number. Of an odd number of grades the middle says neither: there is only an AUC then.
    margin
        Largest distance from chance that would not matter, set before the ratings were seen.
        Default: that of the protocol in study.json beside the ratings.
    machine
        Result of `histosyn eval c2st --json`: its classifiers read the same images, in the same
        table and plot, and how far readers go with them is told.
    real
        Folder of real tiles, or of shards, for --sheet.
    synthetic
        Folder of synthetic tiles, or of shards, for --sheet.
    sheet
        PNG file for the tiles that readers and machine were surest of, side by side.
    plot
        SVG file for AUCs (or shares) of all readers with their intervals, and ROC curves.
    json
        File for the result with all that made it: settings, hashes, warnings.
    """
    for path, option in ((json, "--json"), (sheet, "--sheet"), (plot, "--plot")):
        check_output_file(path, option)
    if sheet is not None and (real is None or synthetic is None):
        raise InputError("--sheet shows tiles: name their folders with --real and --synthetic.")
    check_inputs(
        files={"ratings": ratings[0], "--machine": machine},
        paths={"real tiles": real, "synthetic tiles": synthetic},
    )
    from eval.discrimination.plot import draw_plot
    from eval.discrimination.report import Settings
    from eval.discrimination.report import discrimination as analysed

    scale = None if categories is None else tuple(one.strip() for one in categories.split(","))
    result = analysed(ratings, Settings(scale=scale, margin=margin, machine=machine))
    # First, because whoever reads the table may close the pipe.
    if json is not None:
        result.save(json)
    if plot is not None:
        draw_plot(result, plot)
    if sheet is not None and real is not None and synthetic is not None:
        _draw(result, {"real": real, "synthetic": synthetic}, sheet)
    show(result)


def _draw(result: Result, folders: dict[str, Path], path: Path) -> None:
    from eval.discrimination.report import SUREST
    from eval.features.tile_sources import open_tiles
    from eval.two_samples.sheet import draw_sheet
    from histosyn.images.origin import synthetic_png_bytes
    from hpc.files import write_bytes

    sides = {role: open_tiles(folder) for role, folder in folders.items()}
    rows = {
        role: {side.tile_name(row): row for row in range(len(side))} for role, side in sides.items()
    }
    surest = result.tables[SUREST]
    for found in surest.values():
        for group, names in found.items():
            role = group.partition(",")[0]
            if missing := [name for name in names if name not in rows[role]]:
                raise InputError(
                    f"{folders[role]} has no tile {missing[0]}, which readers saw. Give the folder "
                    "that the study was made of."
                )
    read = {role: lambda name, role=role: sides[role].read(rows[role][name]) for role in sides}
    titles = {name: title_of_row(name) for name in surest}
    write_bytes(path, synthetic_png_bytes(draw_sheet(surest, titles, read)))
