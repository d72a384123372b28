"""The tiles that a study can draw from: their arm, patient and class of tissue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from eval.features.tile_sources import StoredTiles, TileFolder
from eval.two_samples.folds import label_key
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from histosyn.tables.table import read_table
from hpc.errors import DatasetError, InputError

REAL, SYNTHETIC = ARMS = "real", "synthetic"
_ONE_CLASS = ""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A tile; `twin` is the name that it shares with what else was made of its label map."""

    arm: str
    name: str
    twin: str
    patient: str | None
    tissue: str
    read: Callable[[], NDArray[np.uint8]]


def candidates_of(
    real: StoredTiles, synthetic: StoredTiles, facts: Path | None
) -> dict[str, list[Candidate]]:
    """The tiles of both arms. `facts`: CSV with the column tile, and patient or class or both.

    A synthetic tile has the patient and the class of the label map it was made of, found by name.
    Raises DatasetError if the CSV leaves out a tile.
    """
    columns = () if facts is None else _columns(facts)
    found = {}
    for arm, tiles in ((REAL, real), (SYNTHETIC, synthetic)):
        names = [tiles.tile_name(row) for row in range(len(tiles))]
        known = {column: _known(facts, column, columns, names) for column in columns}
        patients = known.get("patient") or _packed_patients(tiles, names)
        tissues = known.get("class")
        found[arm] = [
            Candidate(
                arm=arm,
                name=name,
                twin=_twin(name),
                patient=patients[row] if patients else None,
                tissue=tissues[row] if tissues else _ONE_CLASS,
                read=lambda tiles=tiles, row=row: tiles.read(row),  # type: ignore[misc]
            )
            for row, name in enumerate(names)
        ]
    return found


def _twin(name: str) -> str:
    """The folder, and what a tile and others of its label map are called there."""
    return (PurePosixPath(name).parent / label_key(name)).as_posix()


def _columns(facts: Path) -> tuple[str, ...]:
    table = read_table(facts, "facts file", {"tile", "patient", "class"})
    found = tuple(name for name in ("patient", "class") if table.index(name) is not None)
    if not found:
        raise DatasetError(
            f"{facts} has neither a column patient nor a column class, but "
            f"{', '.join(table.columns)}. Name one of them so."
        )
    return found


def _known(
    facts: Path | None, column: str, columns: Sequence[str], names: Sequence[str]
) -> list[str]:
    assert facts is not None, "without a file there are no columns"
    keys = [_twin(name) for name in names]
    table = read_tile_facts(facts, column, beside=columns)
    found = match_facts(sorted(set(keys)), table, facts)
    for key, name in zip(keys, names, strict=True):
        if key not in found:
            raise DatasetError(f"{facts} says nothing of {name}. Add a line.")
    return [found[key].group for key in keys]


def _packed_patients(tiles: StoredTiles, names: Sequence[str]) -> list[str] | None:
    return None if isinstance(tiles, TileFolder) else tiles.groups(names)


def require_both(found: Mapping[str, Sequence[Candidate]]) -> None:
    """InputError if an arm has no tile."""
    for arm, tiles in found.items():
        if not tiles:
            raise InputError(f"There is no {arm} tile. A study needs both arms.")
