"""The stains that a generator has seen in training: what stains are drawn from at synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histosyn.stain.names import NAMES
from hpc.randomness import integers, key_of

# How many training tiles a model remembers the stains of.
MOST_SEEN = 256
_LEAST_SPREAD = 1e-3
_DECIMALS = 5
# A stain code as it is drawn and recorded: a number for each of the `NAMES`.
Code = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SeenStains:
    """Stain codes (M, S) of training tiles, and the group (patient, slide) of each, if known.

    NaN stands for what a tile has too few pixels of.
    """

    codes_MS: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(NAMES))))
    groups: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each number over the tiles that have it; 0 if none has."""
        return self._of_known(np.mean, 0.0)

    @property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviation of each number over tiles, not less than a thousandth."""
        return np.maximum(self._of_known(np.std, 1.0), _LEAST_SPREAD)

    def code(self, number: int) -> Code:
        """That of a tile, as records hold it: five decimals, the mean for what the tile lacks."""
        return self.completed(self.codes_MS[number])

    def completed(self, code_S: NDArray[np.float64]) -> Code:
        """A code as records hold it."""
        found = np.where(np.isnan(code_S), self.mean, code_S)
        return tuple(np.round(found, _DECIMALS).tolist())

    def draw(self, key: int, among: Sequence[int] | None = None) -> Code:
        """The code of one of the tiles, always the same under a key; of these tiles, if told."""
        rows = range(len(self)) if among is None else among
        return self.code(rows[int(integers(key_of(key, "stain"), np.arange(1), len(rows))[0])])

    def of_group(self, group: str) -> list[int]:
        """Which tiles belong to a group."""
        return [number for number, each in enumerate(self.groups) if each == group]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a model's config.json; null stands for NaN."""
        rounded = np.round(self.codes_MS, _DECIMALS).tolist()
        codes = [[None if value != value else value for value in row] for row in rounded]
        return {"names": list(NAMES), "codes": codes, "groups": list(self.groups)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> SeenStains:
        """What `as_dict` gave. Raises ValueError, TypeError or KeyError for anything else."""
        if list(plain["names"]) != list(NAMES):
            raise ValueError(f"stain codes of {plain['names']}, not of {list(NAMES)}")
        codes = np.array(plain["codes"], dtype=np.float64).reshape(-1, len(NAMES))
        groups = tuple(None if each is None else str(each) for each in plain["groups"])
        if len(codes) != len(groups):
            raise ValueError(f"{len(codes)} stain codes, but groups of {len(groups)}")
        return cls(codes_MS=codes, groups=groups)

    def _of_known(self, statistic: Any, default: float) -> NDArray[np.float64]:
        columns = (column[~np.isnan(column)] for column in self.codes_MS.T)
        return np.array([statistic(each) if len(each) else default for each in columns])
