"""`histosyn tune`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from launch.input_checks import check_inputs
from launch.terminal.console import console, say

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result
    from tune.plan.config import Sweep

_SAID = {
    "real_versus_real_floor": "For scale, real tiles to each other: {:.4g} (n = {})",
    "segmenter_on_real_tiles": "For scale, what the segmenter reads in real tiles: {:.4g} (n = {})",
}
_STYLES = {"finished": "green", "stopped": "dim", "failed": "bold red", "diverged": "yellow"}


def tune(*, config: Path, dry_run: bool = False) -> None:
    """Sweep learning rates, loss weights or any other setting of `histosyn train`.

    Trials train side by side under Ray Tune; the worse ones are stopped early. The first has the
    settings of the file's [train], so that the others can be compared with these. What counts is
    told by [objective]: by default the Fréchet distance of a trial's tissue from validation tiles.
    Running the same command again goes on where it stopped. Writes best.toml and trials.json to the
    sweep's folder.

    The file has these tables:

    ```toml
    [train.data]            # what all trials share: any setting of histosyn train
    shards = "packed/train"
    [train.run]
    steps = 8000

    [search]                # settings, each with uniform, log_uniform or choice
    optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
    loss.feature_matching = { uniform = [1, 20] }

    [[start]]               # tried first, after the defaults; as many as you like
    optimizer.generator_lr = 2e-4

    [objective.distance]    # or faithfulness, c2st; several: a weighted rank
    extractor = "efficientnet-lite2"

    [sweep]
    folder = "runs/sweeps/first"
    validation = "packed/val"   # shards that trials are measured on
    sampler = "tpe"         # a model of the trials so far; or random, grid
    stopping = "asha"       # or median, none
    samples = 16            # trials
    repeat_best = [1, 2, 3] # seeds to train the best and the defaults with again
    evaluate_every = 500    # steps between measurements
    evaluation_tiles = 256  # tiles a measurement looks at
    grace_period = 1000     # steps before a trial may be stopped, and with asha
    reduction_factor = 3    # after 1x, 3x, 9x ... as many: 1 in 3 goes on
    processes_per_trial = 1 # more train a trial together (DDP)
    cpus_per_trial = 2      # its processes have equal shares
    gpus_per_trial = 1      # 0.5: two share one; 0, the default: on the CPU
    max_concurrent = 4      # default: as many as there is room for
    seed = 0                # decides candidates, tiles and noise
    ```

    Example: histosyn tune --config sweep.toml, and then: histosyn train --config
    runs/sweeps/first/best.toml

    Trials share this machine's cores and GPUs, or those of the Ray cluster that the environment
    variable RAY_ADDRESS names; the folders must then be on a file system that all nodes share.

    Parameters
    ----------
    config
        The sweep file (TOML).
    dry_run
        Print the configuration that all trials share and the candidates, and stop.
    """
    from hpc.log import set_up_logging
    from hpc.topology import Topology
    from tune.plan.config import read_sweep

    sweep = read_sweep(config)
    if dry_run:
        _show_plan(sweep)
        return
    check_inputs(
        shards={
            "sweep.validation": sweep.sweep.validation,
            "train.data.shards": sweep.candidate(0).training.data.shards,
        }
    )
    from hpc.errors import PartialFailureError
    from tune.sweep import run_sweep

    set_up_logging(Topology())
    result = run_sweep(sweep)
    _show(result, sweep)
    failed = [row for row in result.tables["trials"] if row["status"] == "failed"]
    if failed:
        raise PartialFailureError(
            f"{len(failed)} of {sweep.sweep.samples} trials failed, the first with: "
            f"{failed[0]['reason']} Running the same command again retries them."
        )


def _show_plan(sweep: Sweep) -> None:
    from histosyn.config.file import as_toml

    say("# What all trials share; run.folder and run.device are theirs.")
    say(as_toml(sweep.train))
    table = Table("trial", "from", title="candidates", title_justify="left")
    _add_columns(table, sweep)
    for number in range(sweep.sweep.samples):
        known = sweep.known_suggestion(number)
        if known is None:
            table.add_row(str(number), sweep.sweep.sampler, *("?" for _ in sweep.space))
        else:
            table.add_row(str(number), known.origin, *_values(known.values, sweep))
    console().print(table)
    say(f"# Compared by: {sweep.objective.told()}.")
    say(f"# Each trial: {sweep.sweep.needs}.")


def _show(result: Result, sweep: Sweep) -> None:
    out = console()
    measures = list(sweep.objective.measures)
    ranks = ["rank"] if len(measures) > 1 else []
    table = Table("trial", "status", "steps", *ranks, *measures, "from")
    _add_columns(table, sweep)
    for row in result.tables["trials"]:
        steps = str(row["last"]["step"]) if row["last"] else ""
        status = Text(row["status"], _STYLES.get(row["status"], ""))
        rank = ["" if row["objective"] is None else f"{row['objective']:.3f}"] if ranks else []
        table.add_row(str(row["number"]), status, steps, *rank,
                      *(_measured(row, name) for name in measures), row["origin"],
                      *_values(row["parameters"], sweep))  # fmt: skip
    out.print(table)
    for number in result.numbers:
        if number.value is not None and number.name in _SAID:
            out.print(_SAID[number.name].format(number.value, number.n))
        if number.name.endswith("_of_best_less_defaults"):
            out.print(_difference(number))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))
    best = sweep.sweep.folder / "best.toml"
    out.print(f"Train the best one: histosyn train --config {best}")


def _difference(number: Number) -> str:
    """How much of what the best is better by is left with other seeds."""
    measure = number.name.removesuffix("_of_best_less_defaults")
    if number.value is None:
        return f"The best less the defaults, {measure}: {number.reason}"
    text = f"The best less the defaults, {measure}, with {number.n} other seeds: {number.value:.4g}"
    if number.interval is None:
        return f"{text} (no interval from fewer than three)"
    low, high = number.interval
    return f"{text} [{low:.4g}, {high:.4g}]"


def _measured(row: dict[str, Any], name: str) -> str:
    ended_well = row["last"] is not None and row["objective"] is not None
    values = row["last"]["values"] or {"distance": row["last"]["distance"]} if ended_well else {}
    return f"{values[name]:.5g}" if name in values else ""


def _values(values: dict[str, Any], sweep: Sweep) -> list[str]:
    """The values of the fields searched; nothing where one is not, in this trial."""
    return [_text(values[field]) if field in values else "" for field in sweep.space]


def _add_columns(table: Table, sweep: Sweep) -> None:
    """A column for each field searched, headed by its name in narrow lines."""
    for field in sweep.space:
        table.add_column(re.sub(r"([._])", r"\1\n", field), overflow="fold")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
