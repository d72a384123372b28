"""Scanning one shard of another tool: its samples, and what in it cannot be used.

The result is kept as a JSON file until the whole folder is indexed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.images.file import opened_image
from histosyn.images.tiles import read_tile, without_remedy
from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.shards.index import LeftOut
from histosyn.shards.members import RawSample, content_of
from histosyn.shards.samples_table import Entry, Member
from hpc.errors import DamagedFileError, DatasetError, HistosynError
from hpc.file_fingerprint import FileFingerprint
from hpc.files import open_regular_file, write_text
from hpc.json_toml import plain_json
from hpc.records import Count, FileName, Records, Resolution, Side, Text

Size = tuple[Side, ...]
# What a sample's JSON says of its group and resolution is believed within reason: every row of the
# index is as wide as the longest group.
_LONGEST_GROUP = 200
_LARGEST_MPP = 1000.0


@dataclass(frozen=True, kw_only=True)
class ScannedSample:
    """A usable sample: `size` is (H, W), `class_pixels` (K,), `mpp` microns per pixel if known.

    `indices` says whether the pixels of its label map file are the class indices as they stand.
    """

    entry: Entry
    size: Size
    class_pixels: tuple[Count, ...]
    mpp: Resolution | None
    indices: bool


@dataclass(frozen=True, kw_only=True)
class ShardScan:
    """The scan of one shard, as it is kept."""

    name: FileName
    sha256: Text
    size_bytes: Count
    looks: tuple[ScannedSample, ...]
    left_out: tuple[LeftOut, ...]
    seams: tuple[Count, ...]
    left_aside: Count


_NOTES = Records(kind=ShardScan, remedy="The shard is looked at again.")


@dataclass(frozen=True, kw_only=True)
class ShardScanSummary:
    """What of a scan is needed to compare shards with each other; the rest stays in its file."""

    name: str
    sha256: str
    sizes: Counter[Size]
    resolutions: frozenset[float | None]
    indices: bool
    left_out: tuple[LeftOut, ...]
    seams: tuple[int, ...]
    left_aside: int


def scan_shard(path: Path, schema: LabelSchema, notes: Path) -> ShardScanSummary:
    """Scan a shard, or read the record of its scan that an earlier attempt has left."""
    target = notes / f"{path.name}.json"
    identity = _identity(path, schema)
    note = _read_note(target, identity)
    if note is None:
        note = _look_through(path, schema)
        write_text(target, json.dumps({"of": identity, **asdict(note)}))
    return ShardScanSummary(
        name=note.name,
        sha256=note.sha256,
        sizes=Counter(look.size for look in note.looks),
        resolutions=frozenset(look.mpp for look in note.looks),
        indices=all(look.indices for look in note.looks),
        left_out=note.left_out,
        seams=note.seams,
        left_aside=note.left_aside,
    )


def _identity(path: Path, schema: LabelSchema) -> list[Any]:
    stat = path.lstat()
    return [stat.st_size, stat.st_mtime_ns, schema.as_dict()]


def _read_note(path: Path, identity: list[Any] | None = None) -> ShardScan | None:
    """The note at `path`; None if there is none, or not of this shard as it is now."""
    try:
        data = _NOTES.read_plain(path)
        note = _NOTES.checked(data, str(path))
    except (OSError, DamagedFileError):
        return None  # none, half of one, or one of another version
    return note if identity is None or data.get("of") == identity else None


def _look_through(path: Path, schema: LabelSchema) -> ShardScan:
    left_out: list[LeftOut] = []
    looks: list[ScannedSample] = []
    seams: tuple[int, ...] = ()
    left_aside = 0
    fingerprint = FileFingerprint(path)
    try:
        content = content_of(path)
        left_out += content.left_out
        seams, left_aside = content.seams, content.left_aside
        with open_regular_file(path) as file:
            for sample in content.samples:
                try:
                    looks.append(_look_at(sample, file.fileno(), schema))
                except HistosynError as error:
                    cause = without_remedy(error)
                    left_out.append(LeftOut(shard=path.name, key=sample.key, cause=cause))
        sha256, size = fingerprint.sha256(), path.stat().st_size
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        left_out = [LeftOut(shard=path.name, key="whole file", cause=cause)]
        looks, sha256, size = [], "", 0
    return ShardScan(
        name=path.name,
        sha256=sha256,
        size_bytes=size,
        looks=tuple(looks),
        left_out=tuple(left_out),
        seams=seams,
        left_aside=left_aside,
    )


def scan_of(name: str, notes: Path) -> ShardScan:
    """The note of a shard that was inspected; HistosynError if it has vanished since."""
    note = _read_note(notes / f"{name}.json")
    if note is None:
        raise HistosynError(
            f"{notes}: the note of {name} is gone. Does another process index the same shards? "
            "Run the command again."
        )
    return note


def _look_at(sample: RawSample, descriptor: int, schema: LabelSchema) -> ScannedSample:
    def data_of(member: Member) -> bytes:
        return os.pread(descriptor, member.size, member.offset)

    tile = read_tile(data_of(sample.tile), "its tile")
    label_file = data_of(sample.label)
    labels = read_label_map(label_file, schema, name="its label map")
    if tile.shape[:2] != labels.shape:
        raise DatasetError(
            f"its tile is {tile.shape[1]}x{tile.shape[0]} pixels, its label map "
            f"{labels.shape[1]}x{labels.shape[0]}"
        )
    with opened_image(label_file, "its label map") as image:
        plain = np.asarray(image)
    facts = _facts(data_of(sample.facts)) if sample.facts else {}
    pixels = np.bincount(labels.ravel(), minlength=256)[: len(schema)]
    return ScannedSample(
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
        facts = plain_json(data, finite=False)
    except ValueError as error:
        raise DatasetError(f"its .json is no JSON ({error})") from error
    found: dict[str, Any] = {}
    if isinstance(facts, dict):
        group, mpp = facts.get("group"), facts.get("mpp")
        group = str(group) if type(group) is int else group
        if isinstance(group, str) and len(group) <= _LONGEST_GROUP and group.isprintable():
            found["group"] = group
        if isinstance(mpp, int | float) and mpp is not True and 0 < mpp < _LARGEST_MPP:
            found["mpp"] = float(mpp)
    return found
