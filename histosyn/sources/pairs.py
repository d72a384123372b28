"""Pairing tiles with label maps by name: any file type, sub-folders allowed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from histosyn.images.folder import search_folder, unread_text
from histosyn.images.formats import FORMATS_TEXT, IMAGE_SUFFIXES
from histosyn.sources.files import SOURCE_SUFFIXES
from histosyn.sources.naming import (
    Ending,
    Naming,
    composed,
    is_jpeg,
)
from histosyn.sources.telling_apart import Assumed, assumed_naming
from hpc.errors import DatasetError
from hpc.files import require_folder

__all__ = [
    "LONGEST_KEY_BYTES",
    "Naming",
    "Pair",
    "Pairing",
    "images_by_key",
    "may_name_a_sample",
    "pair_folders",
]

# A file in a tar has a name of at most 255 bytes, of which place and suffix need some.
LONGEST_KEY_BYTES = 225
_TILES, _LABELS = "folder of tiles", "folder of label maps"
_NO_SUFFIXES = Naming()
_IsOfSide = Callable[[Path], bool]
logger = logging.getLogger("histosyn")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A tile and its label map; `key` is the path below the folder without suffix and type."""

    key: str
    tile: Path
    label: Path


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """What two folders hold: pairs in the order of their keys, and what has no partner.

    `others` lack the suffix that the naming asks for; `unread` look like images and are none that
    can be read. `assumed` says how the sides of one folder were told apart if nobody said it.
    """

    pairs: tuple[Pair, ...]
    tiles_without_label: tuple[Path, ...]
    labels_without_tile: tuple[Path, ...]
    others: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()
    assumed: str | None = None


def pair_folders(tiles: Path, labels: Path, naming: Naming = _NO_SUFFIXES) -> Pairing:
    """Pair the files of two folders, or of one folder given twice, by key.

    In one folder without suffixes they are told apart as `assumed_naming` does. Raises
    InputError if a folder is missing or tiles and label maps cannot be told apart, DatasetError if
    a folder holds no file of its side or two of a key.
    """
    in_tiles = search_folder(require_folder(tiles, _TILES), SOURCE_SUFFIXES)
    in_labels = search_folder(require_folder(labels, _LABELS), SOURCE_SUFFIXES)
    unread = tuple(sorted({*in_tiles.unread, *in_labels.unread}))
    assumed = None
    is_tile: _IsOfSide = naming.tile.fits
    is_label: _IsOfSide = naming.label.fits
    if tiles.resolve() == labels.resolve():
        if naming.tile == naming.label:
            assumed = assumed_naming(in_tiles.images, tiles, naming)
            naming = assumed.naming
        is_tile, is_label = _sides(naming, assumed)
    tile_of = _by_key(filter(is_tile, in_tiles.images), tiles, naming.tile)
    label_of = _by_key(filter(is_label, in_labels.images), labels, naming.label)
    if not tile_of:
        raise _empty(_TILES, tiles, naming.tile_suffix, in_tiles.unread)
    if not label_of:
        raise _empty(_LABELS, labels, naming.label_suffix, in_labels.unread)
    taken = {*tile_of.values(), *label_of.values()}
    return Pairing(
        pairs=tuple(
            Pair(key=key, tile=path, label=label_of[key])
            for key, path in tile_of.items()
            if key in label_of
        ),
        tiles_without_label=tuple(path for key, path in tile_of.items() if key not in label_of),
        labels_without_tile=tuple(path for key, path in label_of.items() if key not in tile_of),
        others=tuple(sorted({*in_tiles.images, *in_labels.images} - taken)),
        unread=unread,
        assumed=None if assumed is None else assumed.said,
    )


def may_name_a_sample(key: str) -> bool:
    """Whether a tar, and everybody's tools for it, can hold samples of this name."""
    fits = key.isprintable() and "\\" not in key
    return fits and len(key.replace("/", "__").encode()) <= LONGEST_KEY_BYTES


def images_by_key(folder: Path, what: str, also: frozenset[str] = frozenset()) -> dict[str, Path]:
    """The images below `folder` by key, sorted; `what` is what errors call the folder.

    Files with suffixes of `also` count as images. A warning tells of files that look like images
    and are not read.
    """
    content = search_folder(require_folder(folder, what), IMAGE_SUFFIXES | also)
    if not content.images:
        raise _empty(what, folder, "", content.unread)
    if content.unread:
        logger.warning("%s", unread_text(content.unread))
    return _by_key(content.images, folder, Ending())


def _sides(naming: Naming, assumed: Assumed | None) -> tuple[_IsOfSide, _IsOfSide]:
    """What makes a file of one folder a tile, and what a label map."""
    if assumed is not None and assumed.jpegs_are_tiles:
        return (
            lambda path: naming.tile.fits(path) and is_jpeg(path),
            lambda path: naming.tile.fits(path) and not is_jpeg(path),
        )
    tile, label = naming.tile, naming.label
    return (
        lambda path: tile.fits(path) and not (label.says_more_than(tile) and label.fits(path)),
        lambda path: label.fits(path) and not (tile.says_more_than(label) and tile.fits(path)),
    )


def _by_key(paths: Iterable[Path], folder: Path, ending: Ending) -> dict[str, Path]:
    """The files of one side by key, sorted."""
    found: dict[str, Path] = {}
    for path in paths:
        named = composed(path.relative_to(folder).with_suffix("").as_posix())
        key = named.removesuffix(ending.words)
        if key in found:
            differ = "suffix" if found[key].suffix != path.suffix else "form of its accents"
            raise DatasetError(
                f"{found[key]} and {path} have the same name but for the {differ}. Remove one."
            )
        found[key] = path
    return dict(sorted(found.items()))


def _empty(what: str, folder: Path, suffix: str, unread: tuple[Path, ...]) -> DatasetError:
    named = f" with a name that ends in {suffix!r}" if suffix else ""
    others = f" {unread_text(unread)}" if unread else " Check the path."
    return DatasetError(f"{what}: {folder} holds no image{named} ({FORMATS_TEXT}).{others}")
