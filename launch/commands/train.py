"""`histosyn train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.config import Toml

from histosyn.config import TrainConfig, as_toml, check_table, load_toml
from hpc.errors import ConfigError


def _file_below_command_line(app: App, commands: tuple[str, ...], arguments: Any) -> None:
    """Fill in from the file named by --config what the command line leaves open."""
    tokens = arguments["--config"].tokens
    if tokens:
        path = Path(tokens[0].value)
        check_table(TrainConfig, load_toml(path), str(path))
        Toml(path, use_commands_as_keys=False)(app, commands, arguments)
    if not arguments["--data.shards"].tokens:
        raise ConfigError(
            "--data.shards is missing: the folder of shards to train on, such as packed/train. "
            "Give it here or in the file of --config."
        )


train = App(name="train", config=_file_below_command_line)


@train.default
def _train(
    *,
    settings: Annotated[TrainConfig, Parameter(name="*")],
    config: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Train a generator. Running the same command again goes on where it stopped.

    Example: histosyn train --data.shards packed/train --run.folder runs/first

    On several GPUs: torchrun --nproc-per-node 4 --no-python histosyn train ...

    Parameters
    ----------
    config
        TOML file with any of the settings below; the command line goes before it.
    dry_run
        Print the effective configuration and stop.
    """
    if dry_run:
        print(as_toml(settings), end="")
        return
    from histosyn.training import run_training

    run_training(settings)
