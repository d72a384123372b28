"""Telling tiles and label maps in one folder apart where nobody said how their names differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histosyn.images.matlab import MATLAB_SUFFIX
from histosyn.labels.pixel_values import read_pixel_values
from histosyn.sources.naming import Naming, composed, not_told_apart, told_apart_by_type
from histosyn.sources.qupath import LABELLED
from hpc.errors import InputError

# So many pairs are looked at.
_LOOKED_AT = 8
# A drawing has few values or colours; a tile that is not blank has many.
_MOST_VALUES = 256


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """How names are taken to differ, and a sentence on it.

    `jpegs_are_tiles` says that JPEGs are tiles and all others label maps.
    """

    naming: Naming
    said: str
    jpegs_are_tiles: bool = False


def assumed_naming(paths: Sequence[Path], folder: Path, naming: Naming) -> Assumed:
    """How tiles and label maps of a folder differ, as QuPath names them or by what they hold.

    JPEGs are tiles; so are files beside which one with `-labelled` lies; of two types one may hold
    drawings, and the other photographs. A `naming` that is the same for both leaves JPEGs only.
    Raises ConfigError with what to write if none is so.
    """
    if not naming.tile.kind and told_apart_by_type(paths):
        return Assumed(
            naming=naming,
            said=f"In {folder}, JPEGs are taken for tiles, other files of the same names for "
            "label maps.",
            jpegs_are_tiles=True,
        )
    if naming != Naming():
        raise not_told_apart(paths, folder)
    by_stem: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for path in paths:
        by_stem[composed(str(path.with_suffix("")))][path.suffix.lower()] = path
    if any(stem + LABELLED in by_stem for stem in by_stem):
        return Assumed(
            naming=Naming(label_suffix=LABELLED),
            said=f"In {folder}, files that end with {LABELLED} are taken for the label maps of "
            "the others.",
        )
    found = _by_content(by_stem, folder)
    if found is None:
        raise not_told_apart(paths, folder)
    return found


def _by_content(by_stem: dict[str, dict[str, Path]], folder: Path) -> Assumed | None:
    """Of the two types that most names come in, the one that holds drawings."""
    kinds = Counter(tuple(sorted(found)) for found in by_stem.values() if len(found) == 2)
    if not kinds:
        return None
    kind, count = kinds.most_common(1)[0]
    pairs = [found for found in by_stem.values() if tuple(sorted(found)) == kind]
    shown = pairs[:: -(-count // _LOOKED_AT)]
    drawn = {suffix: [_is_drawing(pair[suffix]) for pair in shown] for suffix in kind}
    labels = [suffix for suffix in kind if all(drawn[suffix])]
    tiles = [suffix for suffix in kind if 2 * sum(drawn[suffix]) <= len(shown)]
    if len(labels) != 1 or len(tiles) != 1:
        return None
    return Assumed(
        naming=Naming(tile_suffix=tiles[0], label_suffix=labels[0]),
        said=f"In {folder}, {tiles[0]} files are taken for tiles and {labels[0]} files of the "
        "same names for label maps, by what they hold.",
    )


def _is_drawing(path: Path) -> bool:
    """Whether a file can be a label map; what cannot be read is none."""
    if path.suffix.lower() == MATLAB_SUFFIX:
        return False
    try:
        return len(read_pixel_values(path, str(path))[0].pixels) <= _MOST_VALUES
    except InputError:
        return False
