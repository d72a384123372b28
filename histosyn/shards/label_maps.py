"""Label maps alone, one by one: the files below a folder, or those of a packed data set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.shards.dataset import ensure_index, index_folder, open_shards
from histosyn.shards.foreign import foreign_shards
from histosyn.shards.reader import ShardReader
from histosyn.sources.pairs import images_by_key
from hpc.errors import InputError, SchemaError

# Data sets of which a process keeps the index.
_READERS = 4


@dataclass(frozen=True, kw_only=True)
class StoredMap:
    """Where a label map lies: the file `path`, or sample `row` of the shards in the folder `path`.

    `name` is what reports call it: the path below the folder, or the sample's key.
    """

    name: str
    path: Path
    row: int | None = None

    def data(self) -> bytes:
        """The encoded label map; SampleError if it is in shards and damaged."""
        if self.row is None:
            return self.path.read_bytes()
        reader = _reader(self.path)
        return reader.label_file(*reader.index.place(self.row))

    def read(self, schema: LabelSchema) -> np.ndarray:
        """Class indices, uint8 (H, W). LabelError or SampleError for what is no such label map."""
        if self.row is None:
            return read_label_map(self.path, schema)
        reader = _reader(self.path)
        return reader.labels(*reader.index.place(self.row))

    @property
    def group(self) -> str | None:
        """The patient or slide, where shards know it."""
        if self.row is None:
            return None
        index = _reader(self.path).index
        return index.entry(*index.place(self.row)).group


def stored_maps(
    folder: Path, schema: LabelSchema | None = None
) -> tuple[list[StoredMap], LabelSchema]:
    """All label maps of a folder of such files or of shards, in order, and what they mean.

    Shards know their schema; one that is given must be the same, and its word counts as to what is
    an object. Raises InputError for an empty folder and for files without a schema, SchemaError if
    shards have another one, DatasetError for damaged shards.
    """
    if not holds_shards(folder):
        paths = images_by_key(folder, "folder of label maps")
        if schema is None:
            raise InputError(
                f"{folder} holds files, which do not say what their values mean. Name the schema: "
                "--schema prostate-3, or a TOML file."
            )
        names = (path.relative_to(folder).as_posix() for path in paths.values())
        files = zip(names, paths.values(), strict=True)
        return [StoredMap(name=name, path=path) for name, path in files], schema
    ensure_index(folder)
    index = _reader(folder).index
    if schema is not None and schema != index.schema:
        raise SchemaError(
            f"The shards of {folder} have the schema {index.schema.name}, not {schema.name}: their "
            "classes differ. Leave the schema out, or name that one."
        )
    keys = (index.entry(*index.place(row)).key for row in range(len(index)))
    maps = [StoredMap(name=key, path=folder, row=row) for row, key in enumerate(keys)]
    return maps, schema or index.schema


def holds_shards(folder: Path) -> bool:
    """Whether a folder is one of shards, whoever made them."""
    return index_folder(folder) is not None or (folder.is_dir() and bool(foreign_shards(folder)))


@lru_cache(maxsize=_READERS)
def _reader(folder: Path) -> ShardReader:
    return open_shards(folder)
