"""`histosyn train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.config import Dict, Toml

from histosyn.config.file import as_toml, check_table, load_toml
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from hpc.preemption import StopRequest
from launch.argument_types import Processes
from launch.command_line.grouped_help import HELP_FLAGS
from launch.input_checks import check_inputs
from launch.terminal.console import say


def _layers_below_command_line(app: App, commands: tuple[str, ...], arguments: Any) -> None:
    """Fill in what the command line leaves open: by --config's file, and below it by --preset."""
    tokens = arguments["--config"].tokens
    if tokens:
        path = Path(tokens[0].value)
        check_table(TrainConfig, load_toml(path), str(path))
        Toml(path, use_commands_as_keys=False)(app, commands, arguments)
    tokens = arguments["--preset"].tokens
    if tokens and tokens[0].value in PRESETS:
        settings = PRESETS[tokens[0].value].settings
        Dict(settings, use_commands_as_keys=False)(app, commands, arguments)
    if not arguments["--data.shards"].tokens:
        raise ConfigError(
            "--data.shards is missing: the folder of shards to train on, such as packed/train. "
            "Give it here or in the file of --config."
        )


train = App(name="train", config=_layers_below_command_line, help_flags=HELP_FLAGS)


@train.default
def _train(
    *,
    config: Path | None = None,
    preset: Literal["fast", "quality", "paper"] | None = None,
    dry_run: bool = False,
    on_bad_sample: Literal["error", "skip"] | None = None,
    stage_to: Path | None = None,
    fork: Path | None = None,
    processes: Processes = None,
    settings: Annotated[TrainConfig, Parameter(name="*")],
) -> None:
    """Train a generator. Running the same command again goes on where it stopped.

    Example: histosyn train --data.shards packed/train --run.folder runs/first

    On several GPUs, or CPU cores: histosyn train --processes 4 ...
    (or torchrun --nproc-per-node 4 --no-python histosyn train ...)

    Parameters
    ----------
    config
        TOML file with any of the settings that --help-all shows; the command line goes before it.
        `histosyn init train` writes one to begin with.
    preset
        Start from these settings instead of the defaults; file and command line go before them.
        fast: small, for a look; quality: large, for GPUs; paper: the original's. See
        docs/presets.md.
    dry_run
        Print the effective configuration and stop.
    on_bad_sample
        Short for --data.on-bad-sample.
    stage_to
        Short for --data.stage-to.
    fork
        Short for --run.fork: start a new run from the networks of another, such as runs/first.
    processes
        Start so many processes on this machine, one a GPU where there are GPUs; they share each
        global batch.
    """
    shorthands = {"on_bad_sample": on_bad_sample, "stage_to": stage_to}
    given: dict[str, Any] = {name: value for name, value in shorthands.items() if value is not None}
    settings = replace(settings, data=replace(settings.data, **given))
    if fork is not None:
        settings = replace(settings, run=replace(settings.run, fork=fork))
    if dry_run:
        say(as_toml(settings), end="")
        return
    run, data = settings.run, settings.data
    check_inputs(
        shards={"shards": data.shards},
        schema=data.schema,
        paths={"run.fork": run.fork, "loss.perceptual_network": settings.loss.perceptual_network},
    )
    # Imports take a while, in which a job may be asked to stop as well.
    with StopRequest(run.folder, seconds_before_end=run.stop_seconds_before_end) as stop:
        from histosyn.training.run import run_training

        run_training(settings, stop=stop)
