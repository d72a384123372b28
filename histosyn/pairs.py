"""Tiles and label maps that belong together: same stem, any image suffix, sub-folders allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histosyn.images import find_images
from hpc.errors import DatasetError
from hpc.files import require_folder


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A tile and its label map; `key` is the path below the folder without its suffix."""

    key: str
    tile: Path
    label: Path


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """What two folders hold: pairs in the order of their keys, and what has no partner."""

    pairs: tuple[Pair, ...]
    tiles_without_label: tuple[Path, ...]
    labels_without_tile: tuple[Path, ...]


def pair_folders(tiles: Path, labels: Path) -> Pairing:
    """Pair the images of two folders by key.

    Raises InputError if a folder is missing, DatasetError if one holds no image or two of a key.
    """
    tile_of = images_by_key(tiles, "folder of tiles")
    label_of = images_by_key(labels, "folder of label maps")
    return Pairing(
        pairs=tuple(
            Pair(key=key, tile=path, label=label_of[key])
            for key, path in tile_of.items()
            if key in label_of
        ),
        tiles_without_label=tuple(path for key, path in tile_of.items() if key not in label_of),
        labels_without_tile=tuple(path for key, path in label_of.items() if key not in tile_of),
    )


def images_by_key(folder: Path, what: str) -> dict[str, Path]:
    """The images below `folder` by key, sorted; `what` is what errors call the folder."""
    found: dict[str, Path] = {}
    for path in find_images(require_folder(folder, what)):
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise DatasetError(
                f"{found[key]} and {path} have the same name but for the suffix. Remove one."
            )
        found[key] = path
    if not found:
        raise DatasetError(f"{what}: {folder} holds no image (png, jpg, tif, bmp). Check the path.")
    return dict(sorted(found.items()))
