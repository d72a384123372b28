"""Counting, tile by tile, which classes raters' label maps of the same tiles give each pixel.

Each folder is a rater, each pixel an image. A tile is reduced to how often each combination of the
raters' classes occurs in it, so memory grows with tiles and combinations, not with pixels.

Legend: T tiles, U combinations (patterns) that occur, R raters, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.agreement.coefficients.sample import MISSING
from eval.statistics.arrays import Floats, Ints
from histosyn.labels.instances import warn_of_objects
from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.sources.pairs import images_by_key
from hpc.errors import DatasetError, HistosynError, InputError
from hpc.files import sha256_of_bytes
from hpc.parallel import map_in_order

# Of so many tiles it is said what is wrong; the others, often the same, are named.
_TOLD_FAULTS = 5
# Below so many combinations counting is done in a table, above it by sorting the pixels.
_MOST_COUNTED_IN_TABLE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class LabelRater:
    """A folder of label maps: what results call it, where it is, its files by key."""

    name: str
    folder: Path
    path_of: dict[str, Path]


@dataclass(frozen=True, kw_only=True)
class LabelTally:
    """What the raters made of the tiles that two of them or more labelled.

    `codes_UR`: class indices, or `MISSING` (no map of this rater, or a pixel to ignore).
    `pixels_TU`: pixels of each tile with each combination. `labelled_TR`: who labelled which tile.
    `sha256`: for each rater a digest of the names and bytes of the files read.
    """

    raters: tuple[LabelRater, ...]
    tiles: tuple[str, ...]
    codes_UR: Ints
    pixels_TU: Floats
    labelled_TR: np.ndarray
    sha256: tuple[str, ...]
    alone: dict[str, tuple[str, ...]]
    """By rater, the tiles that nobody else labelled: they are left out."""

    def missing(self, rater: int) -> tuple[str, ...]:
        """The tiles that others labelled and this rater did not."""
        return tuple(np.array(self.tiles)[~self.labelled_TR[:, rater]].tolist())


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The maps of one tile, None where a rater has none."""

    paths: tuple[Path | None, ...]
    schema: LabelSchema


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """Combinations as numbers (u,) in base K + 1, pixels (u,), digests by rater; or a fault."""

    combinations: Ints
    pixels: Ints
    sha256: tuple[str, ...] = ()
    fault: str | None = None


def open_raters(folders: Sequence[Path]) -> tuple[LabelRater, ...]:
    """The folders as raters, called after the folder, or by the whole path if two are alike.

    Raises InputError for fewer than two folders or one given twice, DatasetError for an empty one.
    """
    if len(folders) < 2:
        raise InputError("Label maps are compared between folders: give two folders or more.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("A folder of label maps is given twice. It would agree with itself.")
    names = [folder.resolve().name for folder in folders]
    return tuple(
        LabelRater(
            name=name if names.count(name) == 1 else str(folder),
            folder=folder,
            path_of=images_by_key(folder, "folder of label maps"),
        )
        for name, folder in zip(names, folders, strict=True)
    )


def tally(raters: tuple[LabelRater, ...], schema: LabelSchema) -> LabelTally:
    """Read all maps and count. One DatasetError names every tile that cannot be used."""
    base = len(schema) + 1
    if base ** len(raters) > np.iinfo(np.int64).max:
        raise InputError(
            f"{len(raters)} folders are too many for {len(schema)} classes. Use fewer."
        )
    for rater in raters:
        warn_of_objects(list(rater.path_of.values()), schema)
    keys = sorted({key for rater in raters for key in rater.path_of})
    shared = [key for key in keys if sum(key in rater.path_of for rater in raters) > 1]
    if not shared:
        raise DatasetError(
            "No tile has label maps in two of the folders: "
            + ", ".join(f"{rater.folder} has {next(iter(rater.path_of))}" for rater in raters)
            + ", ... Give folders whose files have the same names."
        )
    jobs = [
        _Job(paths=tuple(rater.path_of.get(key) for rater in raters), schema=schema)
        for key in shared
    ]
    counted = list(map_in_order(_count, jobs))
    _refuse_faults(
        {key: one.fault for key, one in zip(shared, counted, strict=True) if one.fault}, len(shared)
    )
    combinations_U, pixels_TU = _assembled(counted)
    places_R = base ** np.arange(len(raters))
    codes_UR = combinations_U[:, None] // places_R % base
    return LabelTally(
        raters=raters,
        tiles=tuple(shared),
        codes_UR=np.where(codes_UR == len(schema), MISSING, codes_UR),
        pixels_TU=pixels_TU,
        labelled_TR=np.array([[path is not None for path in job.paths] for job in jobs]),
        sha256=tuple(
            _digest(shared, [one.sha256[row] for one in counted]) for row in range(len(raters))
        ),
        alone={
            rater.name: tuple(key for key in rater.path_of if key not in set(shared))
            for rater in raters
        },
    )


def _count(job: _Job) -> _Counted:
    try:
        maps, digests = [], []
        for path in job.paths:
            data = None if path is None else path.read_bytes()
            digests.append("" if data is None else sha256_of_bytes(data))
            if data is not None:
                maps.append((path, read_label_map(data, job.schema, name=str(path))))
        _require_one_size(maps)
        return _combinations(job, [labels for _, labels in maps], tuple(digests))
    except (HistosynError, OSError) as error:
        nothing = np.empty(0, dtype=np.int64)
        return _Counted(combinations=nothing, pixels=nothing, fault=str(error))


def _require_one_size(maps: Sequence[tuple[Path | None, np.ndarray]]) -> None:
    (first, labels), *others = maps
    for path, other in others:
        if other.shape != labels.shape:
            raise DatasetError(
                f"{path} is {other.shape[1]}x{other.shape[0]} pixels, but {first} is "
                f"{labels.shape[1]}x{labels.shape[0]}. Label maps of a tile must be equal in size."
            )


def _combinations(job: _Job, maps: list[np.ndarray], digests: tuple[str, ...]) -> _Counted:
    """Rater r's class is the digit of (K + 1)^r; digit K stands for no class."""
    k = len(job.schema)
    given = iter(maps)
    number_P = np.zeros(maps[0].size, dtype=np.int64)
    for place, path in enumerate(job.paths):
        digit_P: np.ndarray | int = k
        if path is not None:
            digit_P = np.minimum(next(given).ravel().astype(np.int64), k)
        number_P += digit_P * (k + 1) ** place
    if (k + 1) ** len(job.paths) <= _MOST_COUNTED_IN_TABLE:
        table = np.bincount(number_P)
        combinations = np.flatnonzero(table)
        return _Counted(combinations=combinations, pixels=table[combinations], sha256=digests)
    combinations, pixels = np.unique(number_P, return_counts=True)
    return _Counted(combinations=combinations, pixels=pixels, sha256=digests)


def _refuse_faults(faults: dict[str, str], tiles: int) -> None:
    """DatasetError for what is wrong (by tile): told of the first, and every tile is named."""
    if not faults:
        return
    others = list(faults)[_TOLD_FAULTS:]
    rest = [f"... and {len(others)} more tiles: {', '.join(others)}."] if others else []
    summary = f"{len(faults)} of {tiles} tiles have label maps that cannot be compared:"
    raise DatasetError("\n  ".join([summary, *list(faults.values())[:_TOLD_FAULTS], *rest]))


def _assembled(counted: Sequence[_Counted]) -> tuple[Ints, Floats]:
    combinations_U = np.unique(np.concatenate([one.combinations for one in counted]))
    pixels_TU = np.zeros((len(counted), len(combinations_U)))
    for row, one in enumerate(counted):
        pixels_TU[row, np.searchsorted(combinations_U, one.combinations)] = one.pixels
    return combinations_U, pixels_TU


def _digest(keys: Sequence[str], digests: Sequence[str]) -> str:
    lines = (f"{digest}  {key}\n" for key, digest in zip(keys, digests, strict=True) if digest)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
