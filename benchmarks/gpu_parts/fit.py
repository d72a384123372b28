"""Tables of neighbourhoods against dense convolutions, layer by layer, and the formula's constants.

The formula (`tables_cost`) says that a table costs m·R + a·P/h of the dense work, R and P the
distinct 3x3 and 5x5 neighbourhoods as shares of the pixels and h hidden channels. m and a are
fitted so that the relative errors are least, in the squares, and written in the form of
histosyn/networks/table_costs.toml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from label_maps import label_maps
from scipy.optimize import nnls

from gpu_parts.bench import Bench, Row
from gpu_parts.models import precisions_of_models
from gpu_parts.timing import arithmetic, cost_of
from histosyn.config.file import as_literal
from histosyn.networks.levels import Level
from histosyn.networks.modulation import Spade, tables_below
from histosyn.networks.patterns import shrink
from histosyn.networks.table_costs import DeviceCosts, read_table_costs, tables_cost
from hpc.files import write_text
from hpc.precision import device_text

NAME = "table_costs.toml"
_HIDDEN, _CLASSES = 128, 4
# Pixels a side of a level, and channels there, at 64 and at 32 base channels.
_LAYERS = ((32, 512), (64, 256), (128, 128), (256, 64), (128, 256), (256, 32), (512, 32))
_TOY_LAYERS = ((16, 16), (32, 8))
# Of pixels of nuclei-rich maps, the share that is noise.
_NOISE = (0.0, 0.02, 0.1, 1.0)
_TILES = 8
_ALWAYS, _NEVER = float("inf"), 0.0


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A layer, there and back, in both ways."""

    shares: tuple[float, float]
    tables: float
    dense: float


def fit(bench: Bench) -> Iterator[Row]:
    """Both precisions; the file that they come to; and how well the formula then chooses."""
    entries = []
    for precision in precisions_of_models(bench):
        layers: list[Timed] = []
        for row, timed in _layers(bench, precision):
            layers.append(timed)
            yield row
        entry, facts = fitted(layers, device_text(bench.device), precision)
        entries.append(entry)
        yield {"case": f"{precision}, fitted"} | facts
        # After each: what is killed meanwhile has left what it found.
        write_text(bench.folder / NAME, "\n".join(map(as_entry, entries)))
    read = read_table_costs(bench.folder / NAME)
    yield {"case": f"{NAME} is read by histosyn", "ok": list(read.measured) == entries}


def fitted(layers: list[Timed], device: str, precision: str) -> tuple[DeviceCosts, Row]:
    """The constants, and how they choose: time lost against always taking the faster way."""
    cost = np.array([it.tables / it.dense for it in layers])
    terms = np.array([(it.shares[0], it.shares[1] / _HIDDEN) for it in layers])
    (multiplication, addition), _ = nnls(terms / cost[:, None], np.ones(len(layers)))
    reckoned = terms @ (multiplication, addition)
    entry = DeviceCosts(
        device=device, precision=precision, multiplication=round(float(multiplication), 4),
        addition=round(float(addition), 3), torch=str(torch.__version__), layers=len(layers),
        deviation=round(float(np.sqrt(np.mean((reckoned / cost - 1) ** 2))), 4),
    )  # fmt: skip
    best = sum(min(it.tables, it.dense) for it in layers)
    taken = sum(it.tables if tables_cost(it.shares, _HIDDEN, entry.costs) < 1 else it.dense
                for it in layers)  # fmt: skip
    return entry, {"multiplication": entry.multiplication, "addition": entry.addition,
                   "deviation": entry.deviation, "lost by its choices": taken / best - 1,
                   "lost by dense alone": sum(it.dense for it in layers) / best - 1,
                   "lost by tables alone": sum(it.tables for it in layers) / best - 1}  # fmt: skip


def as_entry(entry: DeviceCosts) -> str:
    """As it stands in the file."""
    return "[[measured]]\n" + "".join(
        f"{name} = {as_literal(value)}\n" for name, value in vars(entry).items()
    )


def _layers(bench: Bench, precision: str) -> Iterator[tuple[Row, Timed]]:
    """Where time is short, fewer layers; each with all kinds of maps."""
    for side, channels in _TOY_LAYERS if bench.is_toy else _LAYERS:
        if bench.left < bench.seconds / (4 if precision == "float32" else 2):
            return
        for noise in _NOISE:
            level = _level(side, noise, bench.device)
            timed = _timed(bench, precision, level, channels)
            yield (
                {"case": f"{precision}, {side} px, {channels} channels, {noise:.0%} noise",
                 "distinct 3x3": timed.shares[0], "distinct 5x5": timed.shares[1],
                 "tables, s": timed.tables, "dense, s": timed.dense,
                 "tables cost": timed.tables / timed.dense}, timed,
            )  # fmt: skip


@cache
def _level(side: int, noise: float, device: torch.device) -> Level:
    """Of maps four times as large, as the middle levels of a pyramid are; with its tables."""
    maps = _maps(4 * side if side <= 128 else side)
    maps = shrink(maps, maps.shape[1] // side).repeat(_TILES // 2, 1, 1)
    random = torch.Generator().manual_seed(0)
    others = torch.randint(0, _CLASSES, maps.shape, generator=random)
    noisy = torch.rand(maps.shape, generator=random) < noise
    host = torch.where(noisy, others, maps)
    return Level(host.to(device), _CLASSES, host_NHW=host)


@cache
def _maps(side: int) -> torch.Tensor:
    return label_maps("nuclei", _CLASSES, 2, side)


def _timed(bench: Bench, precision: str, level: Level, channels: int) -> Timed:
    device = bench.device
    torch.manual_seed(0)
    module = Spade(channels, _CLASSES, _HIDDEN).to(device)
    x = torch.randn(*level.labels_NHW.shape, channels, device=device).permute(0, 3, 1, 2)
    x.requires_grad_()
    gradient = torch.randn_like(x)

    def there_and_back() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            y = module(x, level, None, 0.2)
        y.backward(gradient.to(y.dtype))

    def seconds(below: float) -> float:
        with tables_below(below):
            return cost_of(there_and_back, device, warm_up=bench.scale.warm_up,
                           repeats=bench.scale.repeats).seconds  # fmt: skip

    with arithmetic(precision):
        # Which neighbourhoods there are is found for all layers of a level once, in a first round.
        return Timed(shares=level.shares, tables=seconds(_ALWAYS), dense=seconds(_NEVER))
