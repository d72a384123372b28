"""The index record of a shard that was just written: offsets, checksums, class counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histosyn.shards.index import ShardRecord
from histosyn.shards.members import content_of
from histosyn.shards.samples_table import Entry
from hpc.errors import DamagedFileError
from hpc.files import sha256_of_file


@dataclass(frozen=True, kw_only=True)
class Described:
    """What the bytes of a sample don't tell: its group, and its pixels a class, (K,)."""

    group: str | None
    class_pixels: np.ndarray


def record_shard(path: Path, described: Mapping[str, Described]) -> ShardRecord:
    """Read back a shard whose samples, by key, are `described`.

    Raises DamagedFileError if it does not hold exactly these.
    """
    content = content_of(path)
    if content.left_out or [sample.key for sample in content.samples] != list(described):
        raise DamagedFileError(
            f"{path} does not hold what was written to it. Check the disk and pack again."
        )
    entries = tuple(
        Entry(
            key=sample.key,
            tile=sample.tile,
            label=sample.label,
            group=described[sample.key].group,
            classes=tuple(np.flatnonzero(described[sample.key].class_pixels).tolist()),
        )
        for sample in content.samples
    )
    total = sum(item.class_pixels for item in described.values())
    return ShardRecord(
        name=path.name,
        sha256=sha256_of_file(path),
        size_bytes=path.stat().st_size,
        entries=entries,
        class_pixels=tuple(np.asarray(total).tolist()),
    )
