"""Small pieces of a training step, timed in each of the ways in which they can be computed.

A piece is there for each choice: a convolution of a small grid, there and back; a large one's
weight gradient; a convolution of middle size in either order of memory; and a layer's scale and
shift, for each pixel and for distinct neighbourhoods. Seconds are those of all threads, so that
what waits for a busy core counts nothing, and the quickest of some rounds in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from histosyn.networks.convolutions import Convolution, Form, computed_as
from histosyn.networks.levels import Level
from histosyn.networks.modulation import Spade, tables_below
from histosyn.networks.table_costs import tables_cost, usual_costs
from hpc.precision import Precision

_ROUNDS = 6
# Channels in and out, pixels a side, tiles, whether the way there is part of it.
_SMALL, _LARGE, _MIDDLE = (768, 768, 8, 1, True), (128, 64, 128, 1, False), (64, 64, 64, 1, True)
# Channels, hidden channels, pixels a side, tiles, classes.
_LAYER = (128, 128, 32, 2, 4)
# Of these no cost of a table is above, or below, the limit.
_ALWAYS, _NEVER = float("inf"), 0.0

Layer = tuple[int, int, int, int, bool]
# Computes something once, and says how many CPU seconds it took.
Work = Callable[[], float]
Way = tuple[Callable[[], AbstractContextManager[Any]], Work]


def measure(
    precision: Precision, form_of: Callable[[Mapping[str, float]], Form]
) -> dict[str, float]:
    """How many times as fast as plain the forms are, and the usual order as channels_last; and
    what distinct neighbourhoods cost as a multiple of what is usual.

    The latter two in the form that `form_of` the former chooses.
    """
    found = {"small_grids": _gain("small_grids", precision, *_SMALL),
             "contiguous": _gain("contiguous", precision, *_LARGE)}  # fmt: skip
    with computed_as(form_of(found)):
        return found | {"usual_order": _usual_order(precision), "tables": _tables(precision)}


def _gain(form: Form, precision: Precision, *layer: int) -> float:
    work = _convolution(precision, layer)
    plain, other = _quickest([(partial(computed_as, "plain"), work),
                              (partial(computed_as, form), work)])  # fmt: skip
    return plain / other


def _usual_order(precision: Precision) -> float:
    works = [_convolution(precision, _MIDDLE, order)
             for order in (torch.channels_last, torch.contiguous_format)]  # fmt: skip
    channels_last, usual = _quickest([(nullcontext, work) for work in works])
    return channels_last / usual


def _tables(precision: Precision) -> float:
    level = _level()
    work = _modulation(precision, level)
    pixels, tables = _quickest([(partial(tables_below, _NEVER), work),
                                (partial(tables_below, _ALWAYS), work)])  # fmt: skip
    usual = usual_costs(half=precision == "bfloat16")
    return tables / pixels / tables_cost(level.shares, _LAYER[1], usual)


def _quickest(ways: list[Way]) -> list[float]:
    """The first round prepares what oneDNN keeps."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(_ROUNDS):
        for (context, work), times in zip(ways, seconds, strict=True):
            with context():
                times.append(work())
    return [min(times[1:]) for times in seconds]


def _convolution(
    precision: Precision, layer: tuple[int, ...], order: torch.memory_format = torch.channels_last
) -> Work:
    """A convolution, if the way there is part of it, and its gradients."""
    inner, outer, side, tiles, there = layer
    module = _drawn_apart(lambda: Convolution(inner, outer, 3, padding=1))
    x = torch.full((tiles, inner, side, side), 0.5)
    x = x.contiguous(memory_format=order).requires_grad_(bool(there))
    return _there_and_back(precision, partial(module, x), there=bool(there))


def _modulation(precision: Precision, level: Level) -> Work:
    channels, hidden, side, tiles, classes = _LAYER
    module = _drawn_apart(lambda: Spade(channels, classes, hidden))
    x = torch.full((tiles, channels, side, side), 0.5)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    return _there_and_back(precision, lambda: module(x, level, None, 0.2), there=True)


def _there_and_back(
    precision: Precision, forward: Callable[[], torch.Tensor], *, there: bool
) -> Work:
    def once() -> float:
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            y = forward()
        gradient = torch.ones_like(y)
        started = started if there else time.process_time()
        y.backward(gradient)
        return time.process_time() - started

    return once


def _level() -> Level:
    """Cells of 3x3 pixels in no order: half of the small neighbourhoods differ, as in nuclei."""
    *_, side, tiles, classes = _LAYER
    at = torch.arange(side * tiles) // 3
    mixed = (at[:, None] * 73856093 ^ at[None, :side] * 19349663) * 2654435761
    labels = (mixed % (1 << 32) >> 16) % classes
    return Level(labels.unflatten(0, (tiles, side)), classes)


def _drawn_apart(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Nobody's random numbers are to change by what is only a measurement."""
    with torch.random.fork_rng(devices=[]):
        return make()
