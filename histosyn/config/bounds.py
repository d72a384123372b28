"""What a field of a section may be: from a least value to a largest one."""

from __future__ import annotations

import sys
from typing import Any

from hpc.errors import ConfigError

# Whole numbers above it are no longer told apart; of others every finite one means something.
_BEYOND_COUNTING = 1 << 53


def require_at_least(config: Any, **least: float) -> None:
    """Raise ConfigError if a field of a section is below its least value, or beyond all numbers."""
    for name, lowest in least.items():
        value = getattr(config, name)
        if value is not None and not value >= lowest:
            raise ConfigError(f"{_dotted(config, name)} = {value} must be at least {lowest}.")
    fractions = {name for name in least if isinstance(getattr(config, name), float)}
    finite = sys.float_info.max
    require_at_most(
        config, **{name: finite if name in fractions else _BEYOND_COUNTING for name in least}
    )


def require_at_most(config: Any, **most: float) -> None:
    """Raise ConfigError if a field of a section is above its largest value.

    These are limits of sense: a file from elsewhere must not ask for a network of 10^20 layers.
    """
    for name, largest in most.items():
        value = getattr(config, name)
        if value is not None and not value <= largest:
            raise ConfigError(f"{_dotted(config, name)} = {value} must be at most {largest}.")


def _dotted(config: Any, name: str) -> str:
    return f"{type(config).__name__.removesuffix('Config').lower()}.{name}"
