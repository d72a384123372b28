"""`histosyn eval segmenter train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, Token
from cyclopts.config import Toml

from eval.segmenter.config import SegmenterConfig
from histosyn.config.file import as_toml, check_table, load_toml
from hpc.errors import ConfigError
from hpc.preemption import StopRequest
from launch.argument_types import Processes
from launch.command_line.grouped_help import HELP_FLAGS
from launch.input_checks import check_inputs
from launch.terminal.console import say

# Positional arguments that are short for a setting.
_SHORT = {"SHARDS": "--data.shards", "OUT": "--run.folder"}


def _fill_in(app: App, commands: tuple[str, ...], arguments: Any) -> None:
    """Settings from SHARDS and OUT, then from the file of --config what is still open."""
    for name, option in _SHORT.items():
        for token in arguments[name].tokens:
            if arguments[option].tokens:
                raise ConfigError(f"{name} and {option} are the same. Give one of them.")
            arguments[option].append(Token(keyword=option, value=token.value, source=name))
    tokens = arguments["--config"].tokens
    if tokens:
        path = Path(tokens[0].value)
        check_table(SegmenterConfig, load_toml(path), str(path))
        Toml(path, use_commands_as_keys=False)(app, commands, arguments)
    for name, option in _SHORT.items():
        if not arguments[option].tokens:
            raise ConfigError(
                f"{name} is missing: give it here, or as {option} here or in the file of --config."
            )


train = App(name="train", config=_fill_in, help_flags=HELP_FLAGS)


@train.default
def _train(
    shards: Path | None = None,
    out: Path | None = None,
    /,
    *,
    config: Path | None = None,
    dry_run: bool = False,
    processes: Processes = None,
    settings: Annotated[SegmenterConfig, Parameter(name="*")],
) -> None:
    """Train a small U-Net on real tiles, to read synthetic ones with. Run again to go on.

    Example: histosyn eval segmenter train packed/train runs/segmenter

    On several GPUs: histosyn eval segmenter train --processes 4 ...

    Parameters
    ----------
    shards
        Folder of shards to train on, such as packed/train. Short for --data.shards.
    out
        The run's folder; the segmenter is in OUT/model at the end. Short for --run.folder.
    config
        TOML file with any of the settings that --help-all shows; the command line goes before it.
    dry_run
        Print the effective configuration and stop.
    processes
        Start so many processes on this machine, one a GPU where there are GPUs; they share each
        global batch.
    """
    if dry_run:
        say(as_toml(settings), end="")
        return
    run, data = settings.run, settings.data
    check_inputs(shards={"shards": data.shards}, schema=data.schema)
    # Imports take a while, in which a job may be asked to stop as well.
    with StopRequest(run.folder, seconds_before_end=run.stop_seconds_before_end) as stop:
        from eval.segmenter.training import train_segmenter

        train_segmenter(settings, stop=stop)
