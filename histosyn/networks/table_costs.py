"""What a table of distinct neighbourhoods costs: by kind of device and precision, from a file.

The cost is in multiplications of the dense convolutions, forward and backward: one number for a
distinct 3x3 neighbourhood, and one for an addition in the sums over taps of distinct 5x5 ones,
whose operands come from memory. `benchmarks/gpu.py` fits them to a device and writes them in the
form of `table_costs.toml`, the file beside this module. Another file, for a device that this one
does not have or has otherwise, is named by the environment variable HISTOSYN_TABLE_COSTS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Literal

from histosyn.config.file import from_dict, load_toml
from hpc.errors import ConfigError
from hpc.precision import Precision

VARIABLE = "HISTOSYN_TABLE_COSTS"
# The device of entries that stand for all that were never measured.
OTHERS = "any other"
_SHIPPED = Path(__file__).with_name("table_costs.toml")

# Of a multiplication, and of an addition.
Costs = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DeviceCosts:
    """What was fitted on one kind of device: to how many layers, how well, with which PyTorch."""

    device: str
    """As PyTorch calls it (`hpc.precision.device_text`)."""
    precision: Literal["float32", "bfloat16"]
    multiplication: float
    addition: float
    torch: str
    layers: int | None = None
    """How many were measured, of several widths and with several kinds of label maps."""
    deviation: float | None = None
    """How far they lie from the formula, as a share of what it says, root mean square."""

    def __post_init__(self) -> None:
        for name in ("multiplication", "addition"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ConfigError(f"{name} = {value} must be a number that is not negative.")

    @property
    def costs(self) -> Costs:
        """Of a multiplication, and of an addition."""
        return self.multiplication, self.addition


@dataclass(frozen=True, kw_only=True)
class TableCosts:
    """A file of them."""

    measured: tuple[DeviceCosts, ...] = ()

    def of(self, device: str, precision: Precision) -> DeviceCosts | None:
        """What was measured on this device; the last entry counts."""
        # float64 is for tests, which are to go the way of float32.
        wanted = (device, "bfloat16" if precision == "bfloat16" else "float32")
        found = [it for it in self.measured if (it.device, it.precision) == wanted]
        return found[-1] if found else None


def read_table_costs(path: Path) -> TableCosts:
    """What a file says. Raises ConfigError or InputError that name it and what is wrong."""
    return from_dict(TableCosts, load_toml(path), str(path))


def measured_costs(device: str, precision: Precision) -> DeviceCosts | None:
    """What was measured on this device, by the file of one's own, else by the one that is shipped.

    Raises as `read_table_costs` if the file that the environment names is not sound.
    """
    named = os.environ.get(VARIABLE)
    own = read_table_costs(Path(named)) if named else TableCosts()
    return own.of(device, precision) or _shipped().of(device, precision)


def usual_costs(*, half: bool) -> Costs:
    """What is taken for devices that were never measured, in half precision or not."""
    usual = _shipped().of(OTHERS, "bfloat16" if half else "float32")
    assert usual is not None
    return usual.costs


def tables_cost(shares: tuple[float, float], hidden: int, costs: Costs) -> float:
    """What a table costs as a multiple of the work for all pixels.

    `shares` as `Level.shares`; of `hidden` channels the neighbourhoods are made.
    """
    multiplication, addition = costs
    small, large = shares
    return small * multiplication + large * addition / hidden


@cache
def _shipped() -> TableCosts:
    return read_table_costs(_SHIPPED)
