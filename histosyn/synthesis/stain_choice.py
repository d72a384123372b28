"""Which stain tiles are made in: drawn, a group's, or that of a reference tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from histosyn.images.tiles import read_tile
from histosyn.models.folder import Model
from histosyn.stain.code import as_floats, stain_code
from histosyn.stain.seen import Code, SeenStains
from hpc.errors import InputError
from hpc.files import require_file

_NAMED_GROUPS = 12


@dataclass(frozen=True, kw_only=True)
class StainChoice:
    """At most one of these: a tile whose `reference` stain all get, or a `group` of training tiles.

    Without either, each tile gets the stain of some training tile, drawn by its key.
    """

    reference: Path | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if self.reference is not None and self.group is not None:
            raise InputError("--stain and --stain-group cannot both decide. Leave out one.")

    @property
    def given(self) -> bool:
        """Whether anything was chosen."""
        return self.reference is not None or self.group is not None

    def of(self, model: Model) -> Callable[[int], Code | None]:
        """The code of a tile by its key; None for a model that takes no stain.

        Raises InputError if such a model is to get one, for a group that it has not seen, and for
        a reference tile that cannot be read or shows no tissue.
        """
        seen = model.facts.stains
        if model.network.stain is None:
            if self.given:
                raise InputError(
                    "This model takes no stain: it was trained without generator.stain. Leave out "
                    "--stain and --stain-group."
                )
            return lambda key: None
        if self.reference is not None:
            code = _of_tile(self.reference, seen)
            return lambda key: code
        among = None if self.group is None else _of_group(self.group, seen)
        return lambda key: seen.draw(key, among) if len(seen) else None


def _of_tile(path: Path, seen: SeenStains) -> Code:
    tile_HWC = read_tile(require_file(path, "--stain"))
    code_S = stain_code(as_floats(tile_HWC))[0]
    if torch.isnan(code_S[0]):
        raise InputError(f"--stain {path} shows no tissue whose stain could be taken, only glass.")
    return seen.completed(code_S.double().numpy())


def _of_group(group: str, seen: SeenStains) -> list[int]:
    found = seen.of_group(group)
    if not found:
        known = sorted({each for each in seen.groups if each is not None})
        shown = ", ".join(known[:_NAMED_GROUPS]) + (", ..." if len(known) > _NAMED_GROUPS else "")
        raise InputError(
            f"--stain-group {group}: the model has seen no such group. "
            + (f"It has seen: {shown}." if known else "Its training tiles had no groups.")
        )
    return found
