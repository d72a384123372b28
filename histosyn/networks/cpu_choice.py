"""Of several ways to compute the same on a CPU, those that are fastest on this kind of processor.

Three things are chosen: the form of convolutions (`histosyn.networks.convolutions`), the order of
features in memory, and up to which cost scale and shift are computed for distinct neighbourhoods
of labels (`histosyn.networks.modulation`). They are measured together at the first start
(`histosyn.networks.cpu_measurements`). Where ways differ at all, they do so by a factor; only what
is clear counts, so that the same kind of processor comes to the same choice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from histosyn.networks.convolutions import Form
from histosyn.networks.cpu_measurements import measure
from hpc import collectives
from hpc.measurements import measured_once
from hpc.precision import Precision, device_text

logger = logging.getLogger("histosyn")

_LEAST_GAIN = 1.15
_CLEAR_FACTOR, _FEWER_TABLES, _MORE_TABLES = 4 / 3, 0.7, 1.4


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How to compute; the names are those of the settings in `[run]`."""

    convolutions: Form
    channels_last: bool
    tables_below: float = 1.0

    def differing(self, other: Choice) -> str:
        """What the other one has in place of what this one has, as settings."""
        mine = asdict(self)
        return _text({name: it for name, it in asdict(other).items() if it != mine[name]})

    def __str__(self) -> str:
        return _text(asdict(self))


def fastest(precision: Precision) -> Choice:
    """What is fastest on this processor."""
    found = _measured(precision)
    return Choice(
        convolutions=_form(found),
        # Even where it gains nothing, the modulation is made for it.
        channels_last=found["usual_order"] < _LEAST_GAIN,
        tables_below=_below(found["tables"]),
    )


def is_measured(device: torch.device, precision: Precision) -> bool:
    """oneDNN, for which it matters, computes neither on other devices nor in float64."""
    return device.type == "cpu" and precision != "float64"


def settled_choice(
    wanted: Mapping[str, Any], kept: Mapping[str, Any], precision: Precision, usual: Choice | None
) -> Choice:
    """How to compute where `wanted` was asked for; the same on all ranks.

    What it leaves out is what the work was begun in, `kept`; else what is `usual`, if that is
    given; else what is fastest on rank 0, which says what was chosen. It also says if work goes on
    in a way that is slower than another there.
    """
    names = asdict(Choice(convolutions="plain", channels_last=True))
    if all(name in wanted for name in names):
        return Choice(**wanted)
    if usual is not None:
        return replace(usual, **{**kept, **wanted})
    best = collectives.run_on_rank_0(partial(fastest, precision))
    chosen = replace(best, **{**kept, **wanted})
    if collectives.rank() == 0:
        logger.info("computed with %s: %s", chosen, _reason(chosen, best, kept, precision))
    return chosen


def choice_text(precision: Precision) -> str:
    """For `doctor --system`: the choice, and what was measured."""
    return f"{fastest(precision)} in {precision} ({_measured_text(precision)})"


def _measured(precision: Precision) -> dict[str, float]:
    def measured() -> dict[str, float]:
        return measure(precision, _form)

    return measured_once(f"training-{precision}", measured)


def _measured_text(precision: Precision) -> str:
    found = _measured(precision)
    gains = ", ".join(f"{form} {found[form]:.2g}x" for form in ("small_grids", "contiguous"))
    return (
        f"against plain: {gains}; against channels_last: the usual order "
        f"{found['usual_order']:.2g}x; tables at {found['tables']:.2g} of the usual cost"
    )


def _form(found: Mapping[str, float]) -> Form:
    forms: tuple[Form, ...] = ("small_grids", "contiguous")
    clear = [form for form in forms if found[form] >= _LEAST_GAIN]
    # What `contiguous` does includes the other.
    return clear[-1] if clear else "plain"


def _below(cost: float) -> float:
    """By what a table costs against what is usual."""
    if cost < 1 / _CLEAR_FACTOR:
        return _MORE_TABLES
    return _FEWER_TABLES if cost > _CLEAR_FACTOR else 1.0


def _reason(chosen: Choice, best: Choice, kept: Mapping[str, Any], precision: Precision) -> str:
    here = device_text(torch.device("cpu"))
    if not kept:
        return f"measured on {here}, {_measured_text(precision)}"
    better = chosen.differing(best)
    return f"as when it was begun{better and f'; {here} would be faster with {better}'}"


def _text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"run.{name} {str(it).lower()}" for name, it in settings.items())
