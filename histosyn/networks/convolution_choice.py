"""Which form of convolutions is fastest on this kind of processor, measured at the first start.

Two convolutions decide, as networks here have them: one that small grids are for, there and back,
and one whose weight gradient is told from another by its order in memory. Where they differ at all,
they do so by a factor; what is gained must be more than what other work on the machine moves, so
that the same kind of processor comes to the same choice. Seconds are those of all threads: what
waits for a busy core counts nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import torch

from histosyn.networks.convolutions import Convolution, Form, computed_as
from hpc import collectives
from hpc.measurements import measured_once
from hpc.precision import Precision, device_text

logger = logging.getLogger("histosyn")

_LEAST_GAIN = 1.15
_ROUNDS = 6
# Channels in and out, pixels a side, tiles, whether the way there is part of it.
_SMALL, _LARGE = (768, 768, 8, 1, True), (128, 64, 128, 1, False)


def gains(precision: Precision) -> dict[Form, float]:
    """How many times as fast as plain each of the other forms is where it is meant for."""
    found = measured_once(f"convolutions-{precision}", partial(_measure, precision))
    return {form: found[form] for form in ("small_grids", "contiguous") if form in found}


def fastest(device: torch.device, precision: Precision) -> Form:
    """The form to compute in on this device."""
    return _chosen(gains(precision)) if _has_forms(device, precision) else "plain"


def settled_form(
    wanted: str, device: torch.device, precision: Precision, kept: str | None = None
) -> str:
    """The form to compute in where `wanted` was asked for; the same on all ranks.

    "auto" is what the work was begun in, `kept`; else what is fastest on rank 0, which says what
    was chosen. It also says if work goes on in a form that is slower than another there.
    """
    if wanted != "auto":
        return wanted
    best = collectives.run_on_rank_0(lambda: fastest(device, precision))
    chosen = kept or best
    if collectives.rank() == 0 and _has_forms(device, precision):
        why = _reason(kept, best, device, precision)
        logger.info("convolutions auto is %s: %s", chosen, why)
    return chosen


def gains_text(precision: Precision) -> str:
    """For `doctor --system`: the choice, and what was measured."""
    found = gains(precision)
    times = ", ".join(f"{form} {gain:.2g}x" for form, gain in found.items())
    return f"{_chosen(found)} in {precision} (against plain: {times})"


def _has_forms(device: torch.device, precision: Precision) -> bool:
    """oneDNN, whose orders in memory these are, computes neither elsewhere nor in float64."""
    return device.type == "cpu" and precision != "float64"


def _chosen(found: dict[Form, float]) -> Form:
    clear: list[Form] = [form for form, gain in found.items() if gain >= _LEAST_GAIN]
    # What `contiguous` does includes the other.
    return clear[-1] if clear else "plain"


def _reason(kept: str | None, best: Form, device: torch.device, precision: Precision) -> str:
    if kept is not None:
        lost = "" if kept == best else f"; {device_text(device)} would be faster with {best}"
        return f"as when it was begun{lost}"
    return f"measured on {device_text(device)}, {gains_text(precision)}"


def _measure(precision: Precision) -> dict[str, float]:
    return {"small_grids": _gain("small_grids", precision, *_SMALL),
            "contiguous": _gain("contiguous", precision, *_LARGE)}  # fmt: skip


def _gain(
    form: Form, precision: Precision, inner: int, outer: int, side: int, tiles: int, there: bool
) -> float:
    """The quickest of some rounds, in turns."""
    work = _work(precision, inner, outer, side, tiles, there)
    seconds: dict[Form, list[float]] = {"plain": [], form: []}
    for _ in range(_ROUNDS):
        for each, times in seconds.items():
            with computed_as(each):
                times.append(work())
    # The first of each prepares what oneDNN keeps.
    return min(seconds["plain"][1:]) / min(seconds[form][1:])


def _work(
    precision: Precision, inner: int, outer: int, side: int, tiles: int, there: bool
) -> Callable[[], float]:
    """CPU seconds of a convolution, if `there`, and its gradients; no random number is drawn."""
    with torch.random.fork_rng(devices=[]):
        layer = Convolution(inner, outer, 3, padding=1)
    x = torch.full((tiles, inner, side, side), 0.5)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_(there)

    def once() -> float:
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            y = layer(x)
        gradient = torch.ones_like(y)
        started = started if there else time.process_time()
        y.backward(gradient)
        return time.process_time() - started

    return once
