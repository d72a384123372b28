"""Verifying a folder of shards against its index: everything is read once, every fault named."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from histosyn.shards.foreign import foreign_shards
from histosyn.shards.index import INDEX_NAME, DatasetIndex, Shard
from histosyn.shards.index_file import load_index
from histosyn.shards.members import content_of
from histosyn.shards.reader import ShardReader
from histosyn.shards.samples_table import SAMPLES_NAME
from histosyn.shards.unread_files import unread_files
from hpc.errors import DatasetError, SampleError
from hpc.files import sha256_of_file
from hpc.parallel import map_in_order

# What `Fault.key` says where no sample is meant.
WHOLE_FILE = "whole file"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong in a file of a data set: `key` is a sample, or says which other place."""

    shard: str
    key: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What reading one shard told.

    `pixels` and `samples` count the classes in its label maps, int64 (K,); None if not all of its
    label maps could be read.
    """

    faults: tuple[Fault, ...]
    pixels: np.ndarray | None
    samples: np.ndarray | None


Track = Callable[[Iterator[Checked], int], Iterable[Checked]]


def misfits(reader: ShardReader) -> tuple[Fault, ...]:
    """Shards that are missing or of another size than indexed, and `unknown`; none is opened."""
    return (
        *(
            Fault(shard=shard.name, key=WHOLE_FILE, cause=cause)
            for shard in reader.index.shards
            if (cause := _misfit(_path(reader, shard), shard))
            and WHOLE_FILE not in _left_out(reader.index, shard)
        ),
        *unknown(reader),
    )


def unknown(reader: ShardReader) -> tuple[Fault, ...]:
    """Files that are, or look like, shards, of which the index says nothing."""
    folder = reader.folders[-1]
    names = {path.name for path in foreign_shards(folder)}
    known = {shard.name for shard in reader.index.shards}
    causes = dict.fromkeys(names - known, "the index does not know it") | {
        file.name: f"it looks like a shard, but is {file.cause}"
        for file in unread_files(folder)
        if file.name not in known
    }
    return tuple(Fault(shard=name, key=WHOLE_FILE, cause=causes[name]) for name in sorted(causes))


def verify(reader: ShardReader, track: Track = lambda shards, total: shards) -> tuple[Fault, ...]:
    """Read every shard of the last folder of `reader`, on all cores, and compare it with the index.

    Compared are its size and sha256, the members of the tar (both ways), each sample as training
    reads it, and the classes that occur; what is `unknown` is named. `track` is handed what is
    known of each shard and their number, to show progress. What the index itself has left out is no
    fault.
    """
    index = reader.index
    total = len(index.shards)
    faults: list[Fault] = []
    pixels, samples = np.zeros((2, len(index.schema)), dtype=np.int64)
    comparable = True
    check = partial(_check_shard_of, index.table.path.parent, reader.folders[-1])
    for checked in track(map_in_order(check, range(total), batch=1), total):
        faults += checked.faults
        if checked.pixels is None or checked.samples is None:
            comparable = False
        else:
            pixels += checked.pixels
            samples += checked.samples
    faults += unknown(reader)
    if comparable:
        faults += _wrong_counts(index, "class_pixels", index.class_pixels, pixels)
        faults += _wrong_counts(index, "class_samples", index.class_samples, samples)
    return tuple(faults)


def _check_shard_of(index_folder: Path, folder: Path, number: int) -> Checked:
    return check_shard(_opened(index_folder, folder), number)


@cache
def _opened(index_folder: Path, folder: Path) -> ShardReader:
    """Each process opens the index once; sending it along with every shard would take longer."""
    return ShardReader(load_index(folder, index_folder), folder)


def check_shard(reader: ShardReader, number: int) -> Checked:
    """All that is wrong with one shard; of several causes for a sample the first one found."""
    index, shard = reader.index, reader.index.shards[number]
    path = _path(reader, shard)
    findings = _Findings(len(index.schema))
    try:
        if cause := _misfit(path, shard) or _other_content(path, shard):
            findings.causes[WHOLE_FILE] = cause
        if path.is_file():
            _read_samples(reader, number, findings)
            _scan(reader, number, findings)
    except OSError as error:
        findings.causes[WHOLE_FILE] = f"it cannot be read ({error.strerror})"
    left_out = _left_out(index, shard)
    faults = tuple(
        Fault(shard=shard.name, key=key, cause=cause)
        for key, cause in findings.causes.items()
        if key not in left_out
    )
    if findings.readable < shard.samples:
        return Checked(faults=faults, pixels=None, samples=None)
    return Checked(faults=faults, pixels=findings.pixels, samples=findings.samples)


class _Findings:
    """What is known of a shard so far: `causes` by key, and what its label maps hold."""

    def __init__(self, classes: int) -> None:
        self.causes: dict[str, str] = {}
        self.readable = 0
        self.pixels, self.samples = np.zeros((2, classes), dtype=np.int64)

    def count(self, labels_HW: np.ndarray) -> tuple[int, ...]:
        """Take in a label map; returns the classes that occur in it."""
        pixels = np.bincount(labels_HW.ravel(), minlength=256)[: len(self.pixels)]
        self.readable += 1
        self.pixels += pixels
        self.samples += pixels > 0
        return tuple(np.flatnonzero(pixels).tolist())


def _misfit(path: Path, shard: Shard) -> str | None:
    try:
        status = path.stat()
    except OSError as error:
        return f"it cannot be opened ({error.strerror}), so its {shard.samples} samples are lost"
    if not stat.S_ISREG(status.st_mode):
        return "it is a folder, device, pipe or socket, not a file"
    if status.st_size != shard.size_bytes:
        return f"it has {status.st_size} bytes, but {shard.size_bytes} according to the index"
    return None


def _other_content(path: Path, shard: Shard) -> str | None:
    if sha256_of_file(path) != shard.sha256:
        return "its sha256 is not the indexed one: it was changed or damaged afterwards"
    return None


def _read_samples(reader: ShardReader, number: int, findings: _Findings) -> None:
    """Every sample that the index knows, as training reads it."""
    for sample in range(reader.index.shards[number].samples):
        try:
            _, labels = reader.read(number, sample)
        except SampleError as error:
            findings.causes[error.key] = error.cause
            continue
        except DatasetError as error:
            findings.causes[SAMPLES_NAME] = str(error)
            return
        found, entry = findings.count(labels), reader.index.entry(number, sample)
        if found != entry.classes:
            findings.causes[entry.key] = (
                f"classes {_listed(found)} occur in it, but {_listed(entry.classes)} according to "
                "the index"
            )


def _scan(reader: ShardReader, number: int, findings: _Findings) -> None:
    """What the tar holds, read from its first to its last byte, against what the index says."""
    content = content_of(_path(reader, reader.index.shards[number]))
    for item in content.left_out:
        findings.causes.setdefault(item.key, item.cause)
    if SAMPLES_NAME in findings.causes:
        return
    in_tar = {sample.key: None for sample in content.samples}
    in_index = {entry.key: None for entry in reader.index.entries(number)}
    for key in in_tar:
        if key not in in_index:
            findings.causes.setdefault(key, "it is in the tar, but not in the index")
    for key in in_index:
        if key not in in_tar:
            findings.causes.setdefault(key, "it is in the index, but no scan of the tar finds it")


def _wrong_counts(
    index: DatasetIndex, what: str, promised: tuple[int, ...], found: np.ndarray
) -> list[Fault]:
    return [
        Fault(
            shard=INDEX_NAME,
            key=what,
            cause=f"{item.name}: {wrong} according to the index, {right} in the label maps",
        )
        for item, wrong, right in zip(index.schema.classes, promised, found.tolist(), strict=True)
        if wrong != right
    ]


def _left_out(index: DatasetIndex, shard: Shard) -> set[str]:
    return {item.key for item in index.left_out if item.shard == shard.name}


def _path(reader: ShardReader, shard: Shard) -> Path:
    return reader.folders[-1] / shard.name


def _listed(classes: tuple[int, ...]) -> str:
    return ", ".join(map(str, classes)) or "none"
