"""What a configuration leaves open (`auto`), settled for a run from its first step to its last.

The first start settles it by the devices it finds; from then on it stands in the checkpoints and in
`config.toml`, and holds on every other kind of device.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from histosyn.config.train import RunConfig, Settings
from histosyn.networks.convolution_choice import settled_form
from hpc import checkpoint, collectives
from hpc.errors import DamagedFileError
from hpc.precision import settled

SettingsKind = TypeVar("SettingsKind", bound=Settings)

# What runs were computed in that do not tell it: those of versions that knew nothing else.
_UNTOLD = {"precision": "float32", "convolutions": "plain"}


def with_settled_run(config: SettingsKind, device: torch.device) -> SettingsKind:
    """The configuration with what its run is computed in; the same on every rank."""
    run = config.run
    begun = collectives.run_on_rank_0(partial(_settings_of_run, run.folder / "checkpoints"))
    kept: dict[str, str] = {} if begun is None else _UNTOLD | begun
    precision = settled(run.precision, device, kept.get("precision"))
    run = replace(run, precision=precision)
    if isinstance(run, RunConfig):
        form = settled_form(run.convolutions, device, precision, kept.get("convolutions"))
        run = replace(run, convolutions=cast(Any, form))
    return cast(Any, replace)(config, run=run)


def _settings_of_run(checkpoints: Path) -> dict[str, str] | None:
    """What its checkpoints say it has been computed in; None for a new run.

    They need not be whole: that is looked at when one is loaded, and all of them say the same.
    """
    for path in reversed(checkpoint.steps(checkpoints).values()):
        with suppress(DamagedFileError, KeyError, TypeError, AttributeError):
            section = checkpoint.without_tensors(path)["config"]["run"]
            return {name: str(section[name]) for name in _UNTOLD if name in section}
    return None
