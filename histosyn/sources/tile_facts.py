"""Tile metadata from a CSV: groups (patients, slides), parts of the split, resolutions."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from histosyn.images.formats import SLIDE_SUFFIXES
from histosyn.sources.files import SOURCE_SUFFIXES
from histosyn.tables.cells import (
    finite_number,
    identifier,
    is_missing,
    is_unknown,
    look_alike,
    plain,
    refuse_equal_numbers,
    without_float,
)
from histosyn.tables.columns import did_you_mean, meant_by
from histosyn.tables.table import Row, Table, read_table
from hpc.errors import DatasetError

logger = logging.getLogger("histosyn")

PARTS = TRAIN, VAL, TEST = "train", "val", "test"
# Types of files that names may have.
_SUFFIXES = SOURCE_SUFFIXES | SLIDE_SUFFIXES
_OPTIONAL = ("split", "mpp")
# Names that nobody has typed: what they are called in the table is to be renamed.
_USUAL = ("tile", "patient")


@dataclass(frozen=True, kw_only=True)
class TileFacts:
    """What a table says of a tile: group, perhaps part of the split and microns per pixel."""

    group: str
    part: str | None = None
    mpp: float | None = None


def read_tile_facts(
    path: Path,
    column: str | None = "patient",
    tile_suffix: str = "",
    *,
    beside: Collection[str] = (),
) -> dict[str, TileFacts]:
    """Read what is known of tiles: a CSV with the columns `tile` and `column`.

    With `column` None groups are not read: each tile is one. A column `split` (train, val or test)
    says where a tile goes, a column `mpp`, which may have empty cells, at which resolution it is.
    Other columns are left aside, with a warning that names them unless they are `beside`, read by
    whoever asks. Tiles are named with or without type, and with or without their folder. The keys
    of the result are these names without type and `tile_suffix`. Raises DatasetError for missing
    columns, empty or impossible cells and a tile with two different lines. docs/tables.md has all
    rules.
    """
    needed = ("tile",) if column is None else ("tile", column)
    table = read_table(path, "groups file", {*needed, *_OPTIONAL})
    places = _places(table, needed, beside)
    facts: dict[str, TileFacts] = {}
    for row in table.rows:
        where = table.where(row)
        tile = _required(row, places, "tile", where)
        identifier(tile, where)
        group = tile if column is None else identifier(_required(row, places, column, where), where)
        known = TileFacts(
            group=group, part=_part(row, places, where), mpp=_resolution(row, places, where)
        )
        _note(facts, _bare(tile).as_posix().removesuffix(tile_suffix), known, path)
    if column is not None:
        _check_names(sorted({known.group for known in facts.values()}), f"{path}, {column}")
    return facts


def match_facts(
    keys: Sequence[str], facts: Mapping[str, TileFacts], source: Path
) -> dict[str, TileFacts]:
    """The facts of each key that `facts`, read from `source`, names.

    A name that equals a key comes first. Otherwise name and key belong together if their folders
    agree as far as both give them: `1` and `/data/A/1` mean `A/1`, but `B/1` does not; how blanks
    and accents are written, and 1.0 for 1, makes no difference. Raises DatasetError if a name fits
    several keys, a key gets two different facts or no name fits.
    """
    keys_of = _keys_by_bare_name(keys)
    exact: dict[str, TileFacts] = {}
    loose: dict[str, TileFacts] = {}
    for name, known in facts.items():
        path = _common(name)
        fitting = [key for key in keys_of[path.name] if _agree(_common(key).parts, path.parts)]
        equal = [key for key in fitting if _bare(key) == PurePosixPath(name)]
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
            f"{_on_zeros(keys, facts)}"
        )
    return loose | exact


def _places(table: Table, needed: Sequence[str], beside: Collection[str]) -> dict[str, int]:
    """Where the needed and the optional columns are. The others are named."""
    found = {name: table.index(name) for name in (*needed, *_OPTIONAL)}
    places = {name: place for name, place in found.items() if place is not None}
    others = [
        name
        for at, name in enumerate(table.columns)
        if at not in places.values() and name.casefold() not in beside
    ]
    if missing := [name for name in needed if name not in places]:
        typed = None if missing[0] in _USUAL else meant_by(missing[0], others)
        meant = f" Did you mean --group-column {typed}?" if typed else did_you_mean(others, missing)
        raise DatasetError(
            f"{table.path} has no column {missing[0]!r}, but {', '.join(table.columns)}. "
            "Name the tile column 'tile' and pass --group-column for the other."
            f"{meant}"
        )
    if others:
        absent = [name for name in _OPTIONAL if name not in places]
        doubtful = [name for name in others if meant_by(name, absent)]
        logger.warning(
            "%s: these columns are left aside: %s.%s",
            table.path,
            ", ".join(others),
            did_you_mean(doubtful, absent),
        )
    return places


def _required(row: Row, places: Mapping[str, int], name: str, where: str) -> str:
    text = row.cells[places[name]]
    if is_missing(text) or is_unknown(text):
        said = f"{text!r}, which stands for nothing" if text else "empty"
        raise DatasetError(f"{where}: {name} is {said}. Fill it in.")
    return text


def _part(row: Row, places: Mapping[str, int], where: str) -> str | None:
    if "split" not in places:
        return None
    text = row.cells[places["split"]]
    if text not in PARTS:
        raise DatasetError(f"{where}: split is {text!r}, not {', '.join(PARTS)}. Correct it.")
    return text


def _resolution(row: Row, places: Mapping[str, int], where: str) -> float | None:
    text = row.cells[places["mpp"]] if "mpp" in places else ""
    if is_missing(text):
        return None
    mpp = finite_number(text)
    if mpp is None or mpp <= 0:
        raise DatasetError(f"{where}: mpp is {text!r}, not microns per pixel. Correct it.")
    return mpp


def _check_names(groups: Iterable[str], where: str) -> None:
    """Two spellings of a patient would put the same tissue on both sides of a split."""
    groups = list(groups)
    refuse_equal_numbers(groups, where)
    if pairs := look_alike(groups):
        some = ", ".join(f"{one} and {other}" for one, other in pairs[:3])
        logger.warning("%s: taken for different, but look alike: %s.", where, some)


def _note(facts: dict[str, TileFacts], tile: str, known: TileFacts, source: Path) -> None:
    before = facts.setdefault(tile, known)
    if before.group != known.group:
        raise DatasetError(f"{source} puts {tile} into two groups. Correct the file.")
    if before != known:
        raise DatasetError(f"{source} names {tile} twice, differently. Correct the file.")


def _bare(name: str) -> PurePosixPath:
    """Without types of files: of `s1.a` and `s1.tif.png` these are none and both."""
    path = PurePosixPath(name if "/" in name else name.replace("\\", "/"))
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path


def _common(name: str) -> PurePosixPath:
    """The same for all spellings of a name: accents, blanks, and 1.0 for 1."""
    path = _bare(plain(name))
    return path.with_name(without_float(path.name)) if path.name else path


def _keys_by_bare_name(keys: Sequence[str]) -> defaultdict[str, list[str]]:
    keys_of: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        keys_of[_common(key).name].append(key)
    return keys_of


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    common = min(len(one), len(other))
    return one[-common:] == other[-common:]


def _on_zeros(keys: Iterable[str], facts: Iterable[str]) -> str:
    """A spreadsheet that takes names for numbers drops the zeros at their beginning."""
    without = {_bare(key).name.lstrip("0") for key in keys}
    if any(_bare(name).name.lstrip("0") in without for name in facts):
        return " Zeros at the beginning of a name are missing: format the column as text."
    return ""
