"""What a configuration leaves open (`auto`), settled for a run from its first step to its last.

The first start settles it by the devices it finds; from then on it stands in the checkpoints and in
`config.toml`, and holds on every other kind of device.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from histosyn.config.earlier import going_on
from histosyn.config.run import ResumableRunConfig, RunConfig, Settings
from histosyn.config.train import TrainConfig
from histosyn.networks.cpu_choice import Choice, is_measured, settled_choice
from histosyn.networks.table_costs import Costs, measured_costs, usual_costs
from hpc import checkpoint, collectives
from hpc.errors import DamagedFileError
from hpc.precision import Precision, device_text, settled

logger = logging.getLogger("histosyn")

SettingsKind = TypeVar("SettingsKind", bound=Settings)

# What runs were computed in that do not tell it: those of versions that knew nothing else.
_UNTOLD: dict[str, Any] = {
    "precision": "float32", "convolutions": "plain", "channels_last": False, "tables_below": 1.0,
}  # fmt: skip
# Steps times squared channels, a minute of a core or so: who is done by then is not made to wait.
_SHORT = 20_000


def with_settled_run(config: SettingsKind, device: torch.device) -> SettingsKind:
    """The configuration with what its run is computed in; the same on every rank.

    A run that an older version began is also left without what that version did not have.
    """
    run = config.run
    begun = collectives.run_on_rank_0(partial(_begun, run.folder / "checkpoints"))
    if begun is not None and isinstance(config, TrainConfig):
        config = cast(SettingsKind, going_on(config, begun))
    kept: dict[str, Any] = {} if begun is None else _UNTOLD | _ways(begun["run"])
    precision = settled(run.precision, device, kept.pop("precision", None))
    measured = is_measured(device, precision) and run.steps * config.channels**2 >= _SHORT
    generates = isinstance(run, RunConfig)
    # Others than the generator come in PyTorch's own order.
    usual = None if measured else Choice(convolutions="plain", channels_last=generates)
    wanted = _wanted(run)
    if isinstance(run, RunConfig):
        costs, fitted_here = _table_costs(run, begun, device, precision)
        if fitted_here:
            wanted.setdefault("tables_below", 1.0)
    choice = asdict(settled_choice(wanted, kept, precision, usual))
    if generates:
        choice["table_costs"] = costs
    else:
        del choice["tables_below"]
    return cast(Any, replace)(config, run=replace(run, precision=precision, **choice))


def _wanted(run: ResumableRunConfig) -> dict[str, Any]:
    """What is not left open."""
    wanted: dict[str, Any] = {"channels_last": run.channels_last}
    wanted["convolutions"] = None if run.convolutions == "auto" else run.convolutions
    wanted["tables_below"] = run.tables_below if isinstance(run, RunConfig) else 1.0
    if isinstance(run, RunConfig) and run.cuda_graphs:
        # How many neighbourhoods are distinct differs between batches, and a recording does not.
        wanted["tables_below"] = 0.0
    return {name: it for name, it in wanted.items() if it is not None}


def _table_costs(
    run: RunConfig,
    begun: Mapping[str, Mapping[str, Any]] | None,
    device: torch.device,
    precision: Precision,
) -> tuple[Costs, bool]:
    """What tables of neighbourhoods cost, and whether that was now found for the device here.

    As `run` says, or as when it was begun; for a new one as it was measured on rank 0's device.
    """
    usual = usual_costs(half=precision == "bfloat16")
    if run.table_costs is not None:
        return run.table_costs, False
    if begun is not None:
        return tuple(begun["run"].get("table_costs", usual)), False
    name = device_text(device)
    found = collectives.run_on_rank_0(partial(measured_costs, name, precision))
    if found is None:
        return usual, False
    if collectives.rank() == 0:
        logger.info("run.table_costs %s, as measured on %s", list(found.costs), name)
    return found.costs, True


def _begun(checkpoints: Path) -> dict[str, dict[str, Any]] | None:
    """The configuration in a run's checkpoints, section by section; None for a new run.

    They need not be whole: that is looked at when one is loaded, and all of them say the same.
    """
    for path in reversed(checkpoint.steps(checkpoints).values()):
        with suppress(DamagedFileError, KeyError, TypeError, AttributeError, ValueError):
            sections = checkpoint.without_tensors(path)["config"]
            _ways(sections["run"])
            return {name: dict(settings) for name, settings in sections.items()}
    return None


def _ways(run: dict[str, Any]) -> dict[str, Any]:
    """In which of several ways it has been computed, as far as it tells."""
    return {name: type(untold)(run[name]) for name, untold in _UNTOLD.items() if name in run}
