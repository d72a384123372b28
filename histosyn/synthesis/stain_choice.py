"""Which stain tiles are made in: drawn, a group's, that of a reference tile, or each its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from histosyn.images.tiles import read_tile
from histosyn.models.folder import Model
from histosyn.sources.pairs import images_by_key
from histosyn.stain.code import as_floats, stain_code
from histosyn.stain.seen import Code, SeenStains
from hpc.errors import InputError
from hpc.files import require_file

_NAMED_GROUPS = 12


@dataclass(frozen=True, kw_only=True)
class StainChoice:
    """At most one of these: a tile whose `reference` stain all get, or a `group` of training tiles.

    A folder as the reference gives each tile the stain of the one of its name in there. Without
    either, each tile gets the stain of some training tile, drawn by its key.
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

    def of(self, model: Model) -> Callable[[int, str], Code | None]:
        """The code of a tile by its key and its label map's name; None if the model takes no stain.

        Raises InputError if such a model is to get one, for a group that it has not seen, and for
        a reference tile that is not there, cannot be read or shows no tissue.
        """
        seen = model.facts.stains
        if model.network.stain is None:
            if self.given:
                raise InputError(
                    "This model takes no stain: it was trained without generator.stain. Leave out "
                    "--stain and --stain-group."
                )
            return lambda key, name: None
        if self.reference is not None and self.reference.is_dir():
            return _of_tiles(self.reference, seen)
        if self.reference is not None:
            code = _of_tile(self.reference, seen)
            return lambda key, name: code
        among = None if self.group is None else _of_group(self.group, seen)
        return lambda key, name: seen.draw(key, among) if len(seen) else None


def _of_tiles(folder: Path, seen: SeenStains) -> Callable[[int, str], Code]:
    tiles = images_by_key(folder, "folder of tiles for --stain")

    @cache
    def code_of(name: str) -> Code:
        if name not in tiles:
            raise InputError(
                f"--stain {folder} has no tile called {name}, and the label map {name} is to get "
                "its stain. Add it, or give one tile for all."
            )
        # Of a tile of glass alone the stain is the mean one: there is little to see it in.
        return seen.completed(_measured(tiles[name]).double().numpy())

    return lambda key, name: code_of(name)


def _of_tile(path: Path, seen: SeenStains) -> Code:
    code_S = _measured(path)
    if torch.isnan(code_S[0]):
        raise InputError(f"--stain {path} shows no tissue whose stain could be taken, only glass.")
    return seen.completed(code_S.double().numpy())


def _measured(path: Path) -> torch.Tensor:
    return stain_code(as_floats(read_tile(require_file(path, "--stain"))))[0]


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
