"""The precision that a run is computed in, from its first step to its last.

A configuration may leave it open (`auto`). The first start settles it by the devices it finds; from
then on it stands in the checkpoints and in `config.toml`, and holds on every other kind of device.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from histosyn.config.train import Settings
from hpc import checkpoint, collectives
from hpc.errors import DamagedFileError
from hpc.precision import settled

SettingsKind = TypeVar("SettingsKind", bound=Settings)


def with_settled_precision(config: SettingsKind, device: torch.device) -> SettingsKind:
    """The configuration with the precision that its run is computed in; the same on every rank."""
    run = config.run
    kept = collectives.run_on_rank_0(partial(_precision_of_run, run.folder / "checkpoints"))
    precision = settled(run.precision, device, kept)
    return cast(Any, replace)(config, run=replace(run, precision=precision))


def _precision_of_run(checkpoints: Path) -> str | None:
    """What its checkpoints say it has been computed in; None for a new run.

    They need not be whole: that is looked at when one is loaded, and all of them say the same.
    """
    for path in reversed(checkpoint.steps(checkpoints).values()):
        with suppress(DamagedFileError, KeyError, TypeError):
            return str(checkpoint.without_tensors(path)["config"]["run"]["precision"])
    return None
