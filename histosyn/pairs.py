"""Tiles and label maps that belong together: same name, any kind of file, sub-folders allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histosyn.image_folder import find_images
from histosyn.sources import SOURCE_SUFFIXES
from hpc.errors import ConfigError, DatasetError
from hpc.files import require_folder

# A file in a tar has a name of at most 255 bytes, of which place and suffix need some.
LONGEST_KEY_BYTES = 225
_TILES, _LABELS = "folder of tiles", "folder of label maps"


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How files are called: a key, the suffix of their side, the type: a_he.png and a_mask.png.

    With suffixes, tiles and label maps may lie in one folder.
    """

    tile_suffix: str = ""
    label_suffix: str = ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A tile and its label map; `key` is the path below the folder without suffix and type."""

    key: str
    tile: Path
    label: Path


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """What two folders hold: pairs in the order of their keys, and what has no partner.

    `others` lack the suffix that the naming asks for.
    """

    pairs: tuple[Pair, ...]
    tiles_without_label: tuple[Path, ...]
    labels_without_tile: tuple[Path, ...]
    others: tuple[Path, ...] = ()


def pair_folders(tiles: Path, labels: Path, naming: Naming = Naming()) -> Pairing:
    """Pair the files of two folders, or of one folder given twice, by key.

    Raises InputError if a folder is missing or tiles and label maps cannot be told apart,
    DatasetError if a folder holds no file of its side or two of a key.
    """
    found_tiles = find_images(require_folder(tiles, _TILES), SOURCE_SUFFIXES)
    found_labels = find_images(require_folder(labels, _LABELS), SOURCE_SUFFIXES)
    one_folder = tiles.resolve() == labels.resolve()
    if one_folder and naming.tile_suffix == naming.label_suffix:
        raise ConfigError(
            f"{tiles} is to hold tiles and label maps. Say how the names of each end, for "
            "instance with --label-suffix _mask, or give two folders."
        )
    # In one folder, a file is of the side whose suffix says more: a_mask is no tile named a_mask.
    rivals = (naming.label_suffix, naming.tile_suffix) if one_folder else (None, None)
    tile_of = _by_key(found_tiles, tiles, _TILES, naming.tile_suffix, rivals[0])
    label_of = _by_key(found_labels, labels, _LABELS, naming.label_suffix, rivals[1])
    taken = {*tile_of.values(), *label_of.values()}
    return Pairing(
        pairs=tuple(
            Pair(key=key, tile=path, label=label_of[key])
            for key, path in tile_of.items()
            if key in label_of
        ),
        tiles_without_label=tuple(path for key, path in tile_of.items() if key not in label_of),
        labels_without_tile=tuple(path for key, path in label_of.items() if key not in tile_of),
        others=tuple(sorted({*found_tiles, *found_labels} - taken)),
    )


def may_name_a_sample(key: str) -> bool:
    """Whether a tar, and everybody's tools for it, can hold samples of this name."""
    fits = key.isprintable() and "\\" not in key
    return fits and len(key.replace("/", "__").encode()) <= LONGEST_KEY_BYTES


def images_by_key(folder: Path, what: str) -> dict[str, Path]:
    """The images below `folder` by key, sorted; `what` is what errors call the folder."""
    return _by_key(find_images(require_folder(folder, what)), folder, what)


def _by_key(
    paths: list[Path], folder: Path, what: str, suffix: str = "", rival: str | None = None
) -> dict[str, Path]:
    """The files of one side by key, sorted; `rival` is the suffix of the other side beside them."""
    found: dict[str, Path] = {}
    for path in paths:
        if not _is_of_side(path.stem, suffix, rival):
            continue
        named = path.relative_to(folder).with_suffix("").as_posix()
        key = named.removesuffix(suffix)
        if key in found:
            raise DatasetError(
                f"{found[key]} and {path} have the same name but for the suffix. Remove one."
            )
        found[key] = path
    if not found:
        ending = f" with a name that ends in {suffix!r}" if suffix else ""
        raise DatasetError(
            f"{what}: {folder} holds no image{ending} (png, jpg, tif, bmp). Check the path."
        )
    return dict(sorted(found.items()))


def _is_of_side(stem: str, suffix: str, rival: str | None) -> bool:
    if rival is not None and len(rival) > len(suffix) and stem.endswith(rival):
        return False
    return stem.endswith(suffix) and len(stem) > len(suffix)
