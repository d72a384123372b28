"""What a CSV says of tiles: their groups (patients, slides), parts of the split, resolutions."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from histosyn.sources import SOURCE_SUFFIXES
from hpc.errors import DatasetError
from hpc.files import require_file

PARTS = TRAIN, VAL, TEST = "train", "val", "test"


@dataclass(frozen=True, kw_only=True)
class TileFacts:
    """What a CSV says of a tile: its group, perhaps its part of the split and microns per pixel."""

    group: str
    part: str | None = None
    mpp: float | None = None


def read_tile_facts(
    path: Path, column: str = "patient", tile_suffix: str = ""
) -> dict[str, TileFacts]:
    """Read what is known of tiles: a CSV with the columns `tile` and `column`.

    A column `split` (train, val or test) says where a tile goes, a column `mpp`, which may have
    empty cells, at which resolution it is. Tiles are named with or without type, and with or
    without their folder. The keys of the result are these names without type and `tile_suffix`.
    Raises DatasetError for missing columns, empty or impossible cells and a tile with two different
    lines.
    """
    with require_file(path, "groups file").open(newline="", encoding="utf-8-sig") as file:
        try:
            return _facts_from(csv.DictReader(file, restval=""), path, column, tile_suffix)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{path} is no CSV in UTF-8 ({error}). Save it as one.") from error


def match_facts(
    keys: Sequence[str], facts: Mapping[str, TileFacts], source: Path
) -> dict[str, TileFacts]:
    """The facts of each key that `facts`, read from `source`, names.

    A name that equals a key comes first. Otherwise name and key belong together if their folders
    agree as far as both give them: `1` and `/data/A/1` mean `A/1`, but `B/1` does not. Raises
    DatasetError if a name fits several keys, a key gets two different facts or no name fits.
    """
    keys_of = _keys_by_bare_name(keys)
    exact: dict[str, TileFacts] = {}
    loose: dict[str, TileFacts] = {}
    for name, known in facts.items():
        path = PurePosixPath(name)
        fitting = [key for key in keys_of[path.name] if _agree(_bare(key).parts, path.parts)]
        equal = [key for key in fitting if _bare(key) == path]
        meant = equal or fitting
        if len(meant) > 1:
            raise DatasetError(
                f"{source}: {name} can mean {meant[0]} or {meant[1]}. "
                "Name the tiles with their folders."
            )
        found = exact if equal else loose
        for key in meant:
            _note(found, key, known, source)
    if not exact and not loose:
        raise DatasetError(
            f"{source} names no tile of the folder, but {next(iter(facts), 'nothing')}; a tile is "
            f"called {next(iter(keys), '')}, for instance. Correct the names."
        )
    return loose | exact


def _facts_from(
    rows: csv.DictReader[str], path: Path, column: str, tile_suffix: str
) -> dict[str, TileFacts]:
    present = [name.strip() for name in rows.fieldnames or []]
    rows.fieldnames = present
    for name in ("tile", column):
        if name not in present:
            raise DatasetError(
                f"{path} has no column {name!r}, but {', '.join(present) or 'nothing'}. "
                "Name the tile column 'tile' and pass --group-column for the other."
            )
    facts: dict[str, TileFacts] = {}
    for row in rows:
        cells = {name: row[name].strip() for name in present if name}
        if not any(cells.values()):
            continue
        where = f"{path}, line {rows.line_num}"
        for name in ("tile", column):
            if not cells[name]:
                raise DatasetError(f"{where}: {name} is empty. Fill it in.")
        known = TileFacts(
            group=cells[column], part=_part(cells, where), mpp=_resolution(cells, where)
        )
        tile = _bare(cells["tile"]).as_posix().removesuffix(tile_suffix)
        _note(facts, tile, known, path)
    return facts


def _part(cells: Mapping[str, str], where: str) -> str | None:
    if "split" not in cells:
        return None
    if cells["split"] not in PARTS:
        raise DatasetError(
            f"{where}: split is {cells['split']!r}, not {', '.join(PARTS)}. Correct it."
        )
    return cells["split"]


def _resolution(cells: Mapping[str, str], where: str) -> float | None:
    text = cells.get("mpp")
    if not text:
        return None
    try:
        mpp = float(text)
    except ValueError:
        mpp = math.nan
    if not 0 < mpp < math.inf:
        raise DatasetError(f"{where}: mpp is {text!r}, not microns per pixel. Correct it.")
    return mpp


def _note(facts: dict[str, TileFacts], tile: str, known: TileFacts, source: Path) -> None:
    before = facts.setdefault(tile, known)
    if before.group != known.group:
        raise DatasetError(f"{source} puts {tile} into two groups. Correct the file.")
    if before != known:
        raise DatasetError(f"{source} names {tile} twice, differently. Correct the file.")


def _bare(name: str) -> PurePosixPath:
    """Without types of files: of `s1.a` and `s1.tif.png` these are none and both."""
    path = PurePosixPath(name)
    while path.suffix.lower() in SOURCE_SUFFIXES:
        path = path.with_suffix("")
    return path


def _keys_by_bare_name(keys: Sequence[str]) -> defaultdict[str, list[str]]:
    keys_of: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        keys_of[_bare(key).name].append(key)
    return keys_of


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    common = min(len(one), len(other))
    return one[-common:] == other[-common:]
