"""Starting a run from Python: in a script, a notebook, or a script under torchrun."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import current_process
from pathlib import Path
from typing import Any

from histosyn.config.layers import PresetName, train_config
from histosyn.config.train import TrainConfig
from histosyn.training.run import run_training
from hpc.errors import InputError
from hpc.paths import AnyPath


def train(
    config: TrainConfig | AnyPath | None = None,
    *,
    preset: PresetName | None = None,
    **sections: Mapping[str, Any],
) -> Path:
    """Train a generator as `histosyn train` does; the path of its model, for `load_model`.

    `config` is a TOML file or a configuration, `sections` go before it and it before `preset`, as
    `train_config` puts them together: `train("train.toml", run={"steps": 500})`. Called again with
    the same run.folder it goes on from the newest checkpoint there, and after the last step it only
    returns the path.

    One process trains, on the GPU if there is one; under torchrun each process calls it, and they
    share each global batch. In a script, call it below `if __name__ == "__main__":`, because the
    loader processes (data.workers) import the script again.

    Raises ConfigError or InputError for what does not fit, DatasetError or SampleError for damaged
    shards, other HistosynErrors if the training fails, and `hpc.preemption.Stopped` once it has
    saved because of Ctrl-C, SIGTERM, SIGUSR2 or a file STOP in its folder.
    """
    _require_main_script()
    return run_training(train_config(config, preset=preset, **sections))


def _require_main_script() -> None:
    # What the standard library looks at before it starts processes; nothing public tells it.
    if getattr(current_process(), "_inheriting", False):
        raise InputError(
            "histosyn.train was called again by a loader process, which imports the script that "
            'called it. Put the call below if __name__ == "__main__":, or set data.workers = 0.'
        )
