"""Shards that other tools wrote: every sample is looked at once, and the index kept.

It is kept beside the shards, or in a cache where nothing can be written there. What cannot be used
is an error, or noted in the index as left out. While the work is under way there is a note for each
shard in a hidden folder, so that it can be interrupted, and only one is in memory at a time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.images import opened_image, read_tile, without_remedy
from histosyn.labels import LabelSchema, read_label_map
from histosyn.shards.index import DatasetIndex, LeftOut, ShardRecord
from histosyn.shards.index_file import write_index
from histosyn.shards.members import RawSample, content_of
from histosyn.shards.samples_table import Entry, Member
from hpc.errors import DatasetError, HistosynError, SampleError
from hpc.files import sha256_of_bytes, sha256_of_file, write_text
from hpc.parallel import map_in_order

Size = tuple[int, ...]
_REMEDY = (
    "Repair or remove it; with --data.on-bad-sample skip the others are used and this one is "
    "listed."
)
_NOTES = ".histosyn-indexing"
# What a sample's JSON says of its group and resolution is believed within reason: every row of the
# index is as wide as the longest group.
_LONGEST_GROUP = 200
_LARGEST_MPP = 1000.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """A usable sample: `size` is (H, W), `class_pixels` (K,), `mpp` microns per pixel if known.

    `indices` says whether the pixels of its label map file are the class indices as they stand.
    """

    entry: Entry
    size: Size
    class_pixels: tuple[int, ...]
    mpp: float | None
    indices: bool


@dataclass(frozen=True, kw_only=True)
class Note:
    """All that is known of one shard."""

    name: str
    sha256: str
    size_bytes: int
    looks: tuple[Look, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """What of a shard must be known to judge the others: the rest is in its note."""

    name: str
    sizes: Counter[Size]
    resolutions: frozenset[float | None]
    indices: bool
    left_out: tuple[LeftOut, ...]


Track = Callable[[Iterator[Inspected], int], Iterable[Inspected]]


def index_foreign_shards(
    folder: Path,
    schema: LabelSchema,
    to: Path,
    *,
    leave_out_bad: bool = False,
    track: Track = lambda shards, total: shards,
) -> DatasetIndex:
    """Look at every sample of the tars in `folder` and write their index into the folder `to`.

    The label maps are read by `schema`. Raises SampleError for the first thing that cannot be used,
    unless it is to be left out; DatasetError if nothing can. Two samples of one key in different
    shards are two samples; they are augmented alike.
    """
    paths = foreign_shards(folder)
    notes = to / _NOTES
    notes.mkdir(parents=True, exist_ok=True)
    look = partial(_inspect, schema=schema, notes=notes)
    shards = [
        _checked(shard, folder, leave_out_bad)
        for shard in track(map_in_order(look, paths, batch=1), len(paths))
    ]
    size = _common_size(shards, folder)
    odd = [item for shard in shards for item in _of_other_size(shard, size, notes)]
    if odd and not leave_out_bad:
        raise _error(folder, odd[0])
    resolutions = frozenset[float | None]().union(*(shard.resolutions for shard in shards))
    index = write_index(
        to,
        schema=schema,
        tile_size=size,
        mpp=next(iter(resolutions)) if len(resolutions) == 1 else None,
        records=_Records([shard.name for shard in shards], size, notes, len(schema)),
        made_by={"histosyn": version("histosyn"), "command": "index"},
        label_values="indices" if all(shard.indices for shard in shards) else "colours",
        left_out=(*(item for shard in shards for item in shard.left_out), *odd),
    )
    shutil.rmtree(notes, ignore_errors=True)
    return index


def foreign_shards(folder: Path) -> list[Path]:
    """The tars of a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))


def cached_index_folder(folder: Path) -> Path:
    """Where the index of shards goes that lie where nothing can be written.

    Another set of tars, or other sizes or times of theirs, has another place.
    """
    facts = [
        [path.name, stat.st_size, stat.st_mtime_ns]
        for path in foreign_shards(folder)
        for stat in [path.lstat()]
    ]
    identity = json.dumps([str(folder.resolve()), facts])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "histosyn" / "indexes" / sha256_of_bytes(identity.encode())[:24]


def _inspect(path: Path, schema: LabelSchema, notes: Path) -> Inspected:
    """Look at a shard, or at the note of it that an earlier attempt has left."""
    target = notes / f"{path.name}.json"
    identity = _identity(path, schema)
    note = _read_note(target, identity)
    if note is None:
        note = _look_through(path, schema)
        write_text(target, json.dumps({"of": identity, **asdict(note)}))
    return Inspected(
        name=note.name,
        sizes=Counter(look.size for look in note.looks),
        resolutions=frozenset(look.mpp for look in note.looks),
        indices=all(look.indices for look in note.looks),
        left_out=note.left_out,
    )


def _identity(path: Path, schema: LabelSchema) -> list[Any]:
    stat = path.lstat()
    return [stat.st_size, stat.st_mtime_ns, schema.as_dict()]


def _read_note(path: Path, identity: list[Any] | None = None) -> Note | None:
    """The note at `path`; None if there is none, or not of this shard as it is now."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if data.pop("of") != identity and identity is not None:
        return None
    looks = tuple(
        Look(**look | {"entry": Entry.from_dict(look["entry"]), "size": tuple(look["size"])})
        for look in data["looks"]
    )
    left_out = tuple(LeftOut(**item) for item in data["left_out"])
    return Note(**data | {"looks": looks, "left_out": left_out})


def _look_through(path: Path, schema: LabelSchema) -> Note:
    left_out: list[LeftOut] = []
    looks: list[Look] = []
    try:
        content = content_of(path)
        left_out += content.left_out
        with path.open("rb") as file:
            for sample in content.samples:
                try:
                    looks.append(_look_at(sample, file.fileno(), schema))
                except HistosynError as error:
                    cause = without_remedy(error)
                    left_out.append(LeftOut(shard=path.name, key=sample.key, cause=cause))
        sha256, size = sha256_of_file(path), path.stat().st_size
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        left_out = [LeftOut(shard=path.name, key="whole file", cause=cause)]
        looks, sha256, size = [], "", 0
    return Note(
        name=path.name,
        sha256=sha256,
        size_bytes=size,
        looks=tuple(looks),
        left_out=tuple(left_out),
    )


def _look_at(sample: RawSample, descriptor: int, schema: LabelSchema) -> Look:
    def data_of(member: Member) -> bytes:
        return os.pread(descriptor, member.size, member.offset)

    tile = read_tile(data_of(sample.tile), "its tile")
    label_file = data_of(sample.label)
    labels = read_label_map(label_file, schema, name="its label map")
    if tile.shape[:2] != labels.shape:
        raise DatasetError(
            f"its tile is {tile.shape[0]}x{tile.shape[1]} pixels, its label map "
            f"{labels.shape[0]}x{labels.shape[1]}"
        )
    with opened_image(label_file, "its label map") as image:
        plain = np.asarray(image)
    facts = _facts(data_of(sample.facts)) if sample.facts else {}
    pixels = np.bincount(labels.ravel(), minlength=256)[: len(schema)]
    return Look(
        entry=Entry(
            key=sample.key,
            tile=sample.tile,
            label=sample.label,
            group=facts.get("group"),
            classes=tuple(np.flatnonzero(pixels).tolist()),
        ),
        size=labels.shape,
        class_pixels=tuple(pixels.tolist()),
        mpp=facts.get("mpp"),
        indices=plain.ndim == 2 and np.array_equal(plain, labels),
    )


def _facts(data: bytes) -> dict[str, Any]:
    """Group and microns per pixel, as far as the JSON has them in the way of `histosyn pack`."""
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"its .json is no JSON ({error})") from error
    found: dict[str, Any] = {}
    if isinstance(facts, dict):
        group, mpp = facts.get("group"), facts.get("mpp")
        if isinstance(group, str) and len(group) <= _LONGEST_GROUP and group.isprintable():
            found["group"] = group
        if isinstance(mpp, int | float) and mpp is not True and 0 < mpp < _LARGEST_MPP:
            found["mpp"] = float(mpp)
    return found


def _checked(shard: Inspected, folder: Path, leave_out_bad: bool) -> Inspected:
    if shard.left_out and not leave_out_bad:
        raise _error(folder, shard.left_out[0])
    return shard


def _common_size(shards: list[Inspected], folder: Path) -> tuple[int, int]:
    """The (height, width) of most tiles."""
    sizes = sum((shard.sizes for shard in shards), Counter[Size]())
    if not sizes:
        raise DatasetError(
            f"{folder} holds no tar with a usable sample. A sample is KEY.tile.png (or .jpg) and "
            "KEY.label.png."
        )
    (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return height, width


def _of_other_size(shard: Inspected, size: tuple[int, int], notes: Path) -> list[LeftOut]:
    if set(shard.sizes) <= {size}:
        return []
    return [
        LeftOut(
            shard=shard.name,
            key=look.entry.key,
            cause=f"it has {look.size[1]}x{look.size[0]} pixels, most others {size[1]}x{size[0]}",
        )
        for look in _looks(shard.name, notes)
        if look.size != size
    ]


def _looks(name: str, notes: Path) -> tuple[Look, ...]:
    return _note_of(name, notes).looks


def _note_of(name: str, notes: Path) -> Note:
    note = _read_note(notes / f"{name}.json")
    if note is None:
        raise HistosynError(
            f"{notes}: the note of {name} is gone. Does another process index the same shards? "
            "Run the command again."
        )
    return note


class _Records(Collection[ShardRecord]):
    """What the index holds of each shard, made from its note when it is asked for."""

    def __init__(self, names: list[str], size: tuple[int, int], notes: Path, classes: int) -> None:
        self.names = names
        self.size = size
        self.notes = notes
        self.classes = classes

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, item: object) -> bool:
        return any(item == record for record in self)

    def __iter__(self) -> Iterator[ShardRecord]:
        return (self._record(_note_of(name, self.notes)) for name in self.names)

    def _record(self, note: Note) -> ShardRecord:
        looks = [look for look in note.looks if look.size == self.size]
        pixels = np.zeros(self.classes, dtype=np.int64)
        for look in looks:
            pixels += np.array(look.class_pixels)
        return ShardRecord(
            name=note.name,
            sha256=note.sha256,
            size_bytes=note.size_bytes,
            entries=tuple(look.entry for look in looks),
            class_pixels=tuple(pixels.tolist()),
        )


def _error(folder: Path, item: LeftOut) -> SampleError:
    return SampleError(
        shard=str(folder / item.shard), key=item.key, cause=item.cause.rstrip("."), remedy=_REMEDY
    )
