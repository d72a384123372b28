"""`histosyn eval utility`."""

from __future__ import annotations

import csv
import io
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hpc.errors import InputError, PartialFailureError
from hpc.job_array import WHOLE, parse_part
from hpc.preemption import StopRequest
from launch.commands.eval_faithfulness import number_text
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file
from launch.terminal.console import console, say
from launch.terminal.footnotes import Notes

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result
    from eval.utility.config import UtilityConfig

RESULT_NAME, CURVE_NAME = "utility.json", "utility.png"


def utility(
    *,
    config: Path,
    part: str | None = None,
    report: bool = False,
    patients: bool = False,
    dry_run: bool = False,
    json: Path | None = None,
) -> None:
    """Does a segmenter that learns from synthetic tiles do as well on real, held-out patients?

    Trains one segmenter for each arm (real tiles, real tiles with more augmentation, real and
    synthetic, synthetic alone; and sets of synthetic tiles added, replacing or learnt from before,
    in several ratios), share of the real patients and seed; tests all of them on other patients;
    and says whether an arm is no worse than real tiles, or better, by the margins that the
    configuration sets. Running it again goes on where it stopped. The result goes into the
    experiment's folder as utility.json and utility.png.

    Example: histosyn eval utility --config utility.toml

    As separate jobs: --part 1/8 ... --part 8/8, then --report.

    Parameters
    ----------
    config
        TOML file: [data] real, test, synthetic; [experiment] margin, folder, arms, shares, seeds;
        [crossed] names, shards, schedules, ratios, strong (docs/faithfulness.md);
        [training], [network], [optimizer] and [loss] as for the segmenter.
    part
        Do one part of the trainings only, such as 3/8, while other processes do the others.
    report
        Train nothing; tell what the trainings that are done show.
    patients
        Print which real patients each share and seed learns from, as CSV, and stop: a generator
        whose tiles go with them should have seen no others.
    dry_run
        Print the effective configuration and the trainings, and stop.
    json
        Another file for the result, beside utility.json.
    """
    from eval.utility.config import experiment_lock, keep_settings, read_utility, settings_lock
    from histosyn.config.file import as_toml

    chosen = WHOLE if part is None else parse_part(part)
    if report and part is not None:
        raise InputError("--report is for all trainings. Leave out --part.")
    check_output_file(json, "--json")
    settings = read_utility(config)
    if dry_run:
        from eval.utility.plan import planned_trainings

        trainings = planned_trainings(settings)
        say(as_toml(settings))
        console().print(
            f"{len(trainings)} trainings: {', '.join(planned.name for planned in trainings)}"
        )
        return
    if patients:
        check_inputs(shards={"data.real": settings.data.real})
        from eval.utility.plan import patients_of_shares

        lines = io.StringIO()
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("share", "seed", "patient"))
        table.writerows(patients_of_shares(settings))
        say(lines.getvalue(), end="")
        return
    _check_inputs(settings)
    folder = settings.experiment.folder
    seconds = settings.training.stop_seconds_before_end
    # Imports take a while, in which a job may be asked to stop as well.
    with (
        StopRequest(folder, seconds_before_end=seconds) as stop,
        # Who reports trains nothing, and what it reads and writes is whole at any moment.
        nullcontext() if report else experiment_lock(settings, chosen),
    ):
        from eval.utility.plan import Sources, planned_trainings
        from eval.utility.plot import draw_curve
        from eval.utility.report import report_utility
        from eval.utility.trainings import find_outcome, run_trainings, with_settled_precision
        from hpc.log import set_up_logging
        from hpc.topology import detect

        topology = detect()
        if topology.world_size > 1:
            raise InputError(
                "Trainings of an experiment are small: give each process its own with --part 1/N "
                "to N/N, and start it without torchrun."
            )
        set_up_logging(topology)
        sources = Sources(settings)
        with settings_lock(settings):
            settings = with_settled_precision(settings)
            keep_settings(settings)
        trainings = planned_trainings(settings)
        if not report:
            share = chosen.share(len(trainings))
            run_trainings(trainings[share.start : share.stop], sources, settings, stop)
        done = [
            found for planned in trainings if (found := find_outcome(planned, sources, settings))
        ]
    if part is not None and len(done) < len(trainings):
        console().print(
            f"part {chosen} is done; {len(trainings) - len(done)} trainings are missing"
        )
        return
    result = report_utility(done, sources, settings)
    for path in (folder / RESULT_NAME, json):
        if path is not None:
            result.save(path)
    draw_curve(result, folder / CURVE_NAME)
    _show(result, folder)
    missing = result.tables["missing"]
    if missing:
        raise PartialFailureError(
            f"{len(missing)} of {len(trainings)} trainings are not done, such as {missing[0]}. Run "
            "the command without --report, or the missing parts."
        )


def _check_inputs(settings: UtilityConfig) -> None:
    """Folders with {seed} in their names are looked for when the seeds are known."""
    data = settings.data
    named = [folder for folder in data.synthetic if "{seed}" not in str(folder)]
    check_inputs(
        shards={"data.real": data.real, "data.test": data.test}
        | {f"data.synthetic[{number}]": folder for number, folder in enumerate(named)},
        folders={
            "data.synthetic_tiles": data.synthetic_tiles,
            "data.synthetic_labels": data.synthetic_labels,
        },
    )


def _show(result: Result, folder: Path) -> None:
    """A row an arm and share, then what is shown."""
    scores = [number for number in result.numbers if number.name == "mean_dice"]
    differences = [number for number in result.numbers if number.name == "mean_dice_difference"]
    table, notes = Table(title="Downstream utility", title_justify="left"), Notes()
    # Sets that arms are subtracted from: real tiles are of none.
    controls = dict.fromkeys([None, *(each.details["reference_set"] for each in differences)])
    for title in (
        "learnt from",
        "real patients",
        "mean Dice",
        "sd over seeds",
        *(f"minus {control or 'real'} of that share" for control in controls),
        "tiles seen, real + synthetic",
        "minutes",
    ):
        table.add_column(title)
    for number in scores:
        spread = number.details["sd_over_seeds"]
        table.add_row(
            number.details["arm"],
            _patients(number),
            number_text(number, notes),
            "" if spread is None else f"{spread:.3f}",
            *(next((number_text(other, notes) for other in differences
                    if _same_share(number, other, control)), "") for control in controls),
            f"{number.details['real_tiles_seen']} + {number.details['synthetic_tiles_seen']}",
            _minutes(number, result),
        )  # fmt: skip
    out = console()
    out.print(table)
    for line in notes.lines():
        out.print(line)
    for number in differences:
        out.print(number.details["statement"])
    first = scores[0]
    out.print(f"{first.interval_method or 'no interval'}; {first.n} test tiles; in {folder}: "
              f"{RESULT_NAME}, {CURVE_NAME}")  # fmt: skip
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _patients(number: Number) -> str:
    """Synthetic tiles alone hold none, however many their generator has seen."""
    share = f"{number.details['real_share']:.0%}"
    if number.details["schedule"] != "alone":
        return share
    return "none" if number.details["real_share"] == 1 else f"none (set of {share})"


def _same_share(score: Number, difference: Number, control: str | None) -> bool:
    mine, theirs = score.details, difference.details
    return (mine["arm"], mine["real_share"], mine["real_share"], control) == (
        theirs["arm"],
        theirs["real_share"],
        theirs["reference_share"],
        theirs["reference_set"],
    )


def _minutes(number: Number, result: Result) -> str:
    """Of a training, on average over seeds."""
    details = number.details
    of = details["arm"], details["real_share"]
    rows = [row for row in result.tables["minutes"] if (row["arm"], row["share"]) == of]
    known = [row["minutes"] for row in rows if row["minutes"] is not None]
    return f"{sum(known) / len(known):.1f}" if known else ""
