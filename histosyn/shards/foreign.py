"""Shards that other tools wrote: every sample is looked at once, and the index kept.

It is kept beside the shards, or in a cache where nothing can be written there. What cannot be used
is an error, or noted in the index as left out.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
from hpc.files import sha256_of_bytes, sha256_of_file
from hpc.parallel import map_in_order

Track = Callable[[Iterator["Inspected"], int], Iterable["Inspected"]]
_REMEDY = (
    "Repair or remove it; with --data.on-bad-sample skip the others are used and this one is "
    "listed."
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """A usable sample: `size` is (H, W), `class_pixels` (K,), `mpp` microns per pixel if known.

    `indices` says whether the pixels of its label map file are the class indices as they stand.
    """

    entry: Entry
    size: tuple[int, ...]
    class_pixels: tuple[int, ...]
    mpp: float | None
    indices: bool


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """All that is known of one shard."""

    name: str
    sha256: str
    size_bytes: int
    looks: tuple[Look, ...]
    left_out: tuple[LeftOut, ...]


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
    unless it is to be left out; DatasetError if nothing can.
    """
    paths = foreign_shards(folder)
    inspected = map_in_order(partial(_inspect, schema=schema), paths, batch=1)
    shards = list(track(_stop_at_bad(inspected, folder, leave_out_bad), len(paths)))
    size = _common_size(shards, folder, leave_out_bad)
    shards = [_without(shard, partial(_other_size, size)) for shard in shards]
    looks = [look for shard in shards for look in shard.looks]
    resolutions = {look.mpp for look in looks}
    return write_index(
        to,
        schema=schema,
        tile_size=size,
        mpp=resolutions.pop() if len(resolutions) == 1 else None,
        records=[_record(shard, len(schema)) for shard in shards],
        made_by={"histosyn": version("histosyn"), "command": "index"},
        label_values="indices" if all(look.indices for look in looks) else "colours",
        left_out=tuple(item for shard in shards for item in shard.left_out),
    )


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


def _inspect(path: Path, schema: LabelSchema) -> Inspected:
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
        left_out = [
            LeftOut(shard=path.name, key="whole file", cause=f"cannot be read ({error.strerror})")
        ]
        looks, sha256, size = [], "", 0
    return Inspected(
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
        if isinstance(facts.get("group"), str):
            found["group"] = facts["group"]
        if isinstance(facts.get("mpp"), int | float) and not isinstance(facts["mpp"], bool):
            found["mpp"] = float(facts["mpp"])
    return found


def _stop_at_bad(
    shards: Iterable[Inspected], folder: Path, leave_out_bad: bool
) -> Iterator[Inspected]:
    for shard in shards:
        if shard.left_out and not leave_out_bad:
            raise _error(folder, shard.left_out[0])
        yield shard


def _common_size(shards: list[Inspected], folder: Path, leave_out_bad: bool) -> tuple[int, int]:
    """The (height, width) of all tiles; of most, where others are to be left out."""
    sizes = Counter(look.size for shard in shards for look in shard.looks)
    if not sizes:
        raise DatasetError(
            f"{folder} holds no tar with a usable sample. A sample is KEY.tile.png (or .jpg) and "
            "KEY.label.png."
        )
    (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    if len(sizes) > 1 and not leave_out_bad:
        others = (_other_size((height, width), shard.name, look)
                  for shard in shards for look in shard.looks)  # fmt: skip
        raise _error(folder, next(item for item in others if item is not None))
    return height, width


def _other_size(size: tuple[int, int], shard: str, look: Look) -> LeftOut | None:
    if look.size == size:
        return None
    cause = f"it has {look.size[1]}x{look.size[0]} pixels, most others {size[1]}x{size[0]}"
    return LeftOut(shard=shard, key=look.entry.key, cause=cause)


def _without(shard: Inspected, fault: Callable[[str, Look], LeftOut | None]) -> Inspected:
    """The shard with the looks that have a fault moved to what is left out."""
    faults = [fault(shard.name, look) for look in shard.looks]
    return replace(
        shard,
        looks=tuple(look for look, bad in zip(shard.looks, faults, strict=True) if bad is None),
        left_out=shard.left_out + tuple(bad for bad in faults if bad is not None),
    )


def _record(shard: Inspected, classes: int) -> ShardRecord:
    pixels = np.zeros(classes, dtype=np.int64)
    for look in shard.looks:
        pixels += np.array(look.class_pixels)
    return ShardRecord(
        name=shard.name,
        sha256=shard.sha256,
        size_bytes=shard.size_bytes,
        entries=tuple(look.entry for look in shard.looks),
        class_pixels=tuple(pixels.tolist()),
    )


def _error(folder: Path, item: LeftOut) -> SampleError:
    return SampleError(
        shard=str(folder / item.shard), key=item.key, cause=item.cause.rstrip("."), remedy=_REMEDY
    )
