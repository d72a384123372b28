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
    from eval.statistics.result import Result
    from tune.config import Sweep

_STYLES = {"finished": "green", "stopped": "dim", "failed": "bold red", "diverged": "yellow"}


def tune(*, config: Path, dry_run: bool = False) -> None:
    """Sweep learning rates, loss weights or any other setting of `histosyn train`.

    Trials train side by side under Ray Tune; the worse ones are stopped early (ASHA). What counts
    is the Fréchet distance of a trial's tissue from validation tiles. Running the same command
    again goes on where it stopped. Writes best.toml and trials.json to the sweep's folder.

    The file has three tables:

    ```toml
    [train.data]            # what all trials share: any setting of histosyn train
    shards = "packed/train"
    [train.run]
    steps = 8000

    [search]                # settings, each with uniform, log_uniform or choice
    optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
    loss.feature_matching = { uniform = [1, 20] }

    [sweep]
    folder = "runs/sweeps/first"
    validation = "packed/val"   # shards that trials are measured on
    samples = 16            # trials
    evaluate_every = 500    # steps between measurements
    evaluation_tiles = 256  # tiles a measurement looks at
    grace_period = 1000     # steps before a trial may be stopped, and then
    reduction_factor = 3    # after 1x, 3x, 9x ... as many: 1 in 3 goes on
    cpus_per_trial = 2
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
    from tune.config import read_sweep

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
    table = Table("trial", title="candidates", title_justify="left")
    _add_columns(table, sweep)
    for number in range(sweep.sweep.samples):
        values = sweep.candidate(number).values
        table.add_row(str(number), *(_text(values[field]) for field in sweep.space))
    console().print(table)


def _show(result: Result, sweep: Sweep) -> None:
    out = console()
    table = Table("trial", "status", "steps", "distance")
    _add_columns(table, sweep)
    for row in result.tables["trials"]:
        values = [_text(row["parameters"][field]) for field in sweep.space]
        steps = str(row["last"]["step"]) if row["last"] else ""
        distance = "" if row["distance"] is None else f"{row['distance']:.5g}"
        status = Text(row["status"], _STYLES.get(row["status"], ""))
        table.add_row(str(row["number"]), status, steps, distance, *values)
    out.print(table)
    floor = result.numbers[1]
    if floor.value is not None:
        out.print(f"For scale, real tiles to each other: {floor.value:.4g} (n = {floor.n})")
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))
    best = sweep.sweep.folder / "best.toml"
    out.print(f"Train the best one: histosyn train --config {best}")


def _add_columns(table: Table, sweep: Sweep) -> None:
    """A column for each field searched, headed by its name in narrow lines."""
    for field in sweep.space:
        table.add_column(re.sub(r"([._])", r"\1\n", field), overflow="fold")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
