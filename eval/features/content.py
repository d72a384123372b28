"""Digests of the measured tiles or statistics, and which models made the tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from histosyn.manifests.manifest import read_manifest
from histosyn.shards.dataset import index_folder
from histosyn.shards.index import INDEX_NAME
from hpc.errors import DatasetError
from hpc.files import sha256_of_bytes, sha256_of_file
from hpc.parallel import usable_cores

Value = TypeVar("Value", int, str)

_MOST_READERS = 8


@dataclass(frozen=True, kw_only=True)
class Content:
    """The `sha256` of what `covers` says, and what a manifest of synthesis tells of the tiles.

    `recorded` counts the tiles that the manifest lists; `model_sha256` and `seeds` are those of
    all of them, sorted. Tiles that are not recorded may have been made by anything. `selected_by`
    are the segmenters by whose reading tiles were selected (`histosyn synth --keep-if-read`).
    """

    sha256: str
    covers: str
    recorded: int = 0
    model_sha256: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    selected_by: tuple[str, ...] = ()


def content_of_file(path: Path) -> Content:
    """The bytes of one file."""
    return Content(sha256=_sha256(path), covers="the file")


def content_of_shards(folder: Path) -> Content:
    """The index of a packed data set, which holds the sha256 of each of its shards."""
    return Content(sha256=_sha256((index_folder(folder) or folder) / INDEX_NAME), covers=INDEX_NAME)


def content_of_folder(folder: Path, paths: Sequence[Path]) -> Content:
    """The images `paths` below `folder`: their names, their bytes, and the folder's manifest.

    Raises DatasetError if a file cannot be read, InputError if the manifest is damaged.
    """
    return content_of_digests(folder, digests_of(folder, paths))


def digests_of(folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    """The sha256 of each file by its name below `folder`. Raises as `content_of_folder`."""
    with ThreadPoolExecutor(min(_MOST_READERS, usable_cores())) as readers:
        digests = readers.map(_sha256, paths)
        return {
            path.relative_to(folder).as_posix(): digest
            for path, digest in zip(paths, digests, strict=True)
        }


def content_of_digests(folder: Path, digests: Mapping[str, str]) -> Content:
    """The images of these names and digests, and the folder's manifest.

    The digest of all is that of what `sha256sum NAME...` prints in the folder for the names in
    order of their characters. Raises InputError if the manifest is damaged.
    """
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests)]
    entries = [entry for name, entry in read_manifest(folder).items() if name in digests]
    return Content(
        sha256=sha256_of_bytes("".join(lines).encode(errors="surrogateescape")),
        covers="sorted lines of sha256 and name of each tile",
        recorded=len(entries),
        model_sha256=_distinct(entries, "model_sha256", str),
        seeds=_distinct(entries, "seed", int),
        selected_by=_distinct(
            [entry["selected"] for entry in entries if isinstance(entry.get("selected"), dict)],
            "segmenter_sha256",
            str,
        ),
    )


def _distinct(entries: Sequence[dict[str, Any]], key: str, kind: type[Value]) -> tuple[Value, ...]:
    values = (entry.get(key) for entry in entries)
    return tuple(sorted({value for value in values if isinstance(value, kind)}))


def _sha256(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}). Check the file and its permissions."
        ) from error
