"""Pieces: what one part of the work has made, kept until the whole is written.

The jobs of a plan are cut into blocks, as many whatever the number of parts is. A part makes the
blocks of its share, a file each: how many samples each job gave, and these. Who writes the shards
takes from the files what belongs to the same jobs and settings, and makes the rest itself, so the
shards do not depend on who made what.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np

from histosyn.packing.plan import Plan
from histosyn.packing.samples import CutPair, Sample
from hpc.errors import DamagedFileError
from hpc.files import atomic_file
from hpc.job_array import Part
from hpc.parallel import map_in_order
from hpc.records import Count, Records, Side, Text

Cut = Callable[[Any], CutPair]
Track = Callable[[Iterable[CutPair], int], Iterable[CutPair]]

# As many files at least for as many parts to share, if there are jobs enough; a job each at most.
_BLOCKS = 256
_MOST_JOBS = 64
_HEAD_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """What a part has: files that it made, and those that it found made."""

    made: int
    present: int
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)
    """As in `histosyn.packing.journal.Progress`."""


@dataclass(frozen=True, kw_only=True)
class _Member:
    suffix: Text
    bytes: Count


@dataclass(frozen=True, kw_only=True)
class _SavedSample:
    key: Text
    size: tuple[Side, Side]
    class_pixels: tuple[Count, ...]
    members: tuple[_Member, ...]


@dataclass(frozen=True, kw_only=True)
class _SavedCut:
    samples: Count
    left_out: Count
    unread: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class _SavedPiece:
    digest: Text
    content: Text
    cuts: tuple[_SavedCut, ...]
    samples: tuple[_SavedSample, ...]


_PIECES = Records(kind=_SavedPiece, remedy="It is made again.")


def write_pieces(
    folder: Path,
    plan: Plan,
    settings: dict[str, Any],
    cut: Cut,
    part: Part,
    processes: int | None,
    track: Track,
) -> Pieces:
    """Make the files of a part's blocks, those that are not there."""
    blocks = _blocks(len(plan.jobs))
    mine = [blocks[number] for number in part.share(len(blocks))]
    wanted = [block for block in mine if _head(_path(folder, block), plan, block, settings) is None]
    jobs = [job for block in wanted for job in plan.jobs[block.start : block.stop]]
    made = iter(track(map_in_order(cut, jobs, processes, batch=1), len(jobs)))
    unread: dict[str, tuple[int, str]] = {}
    for block in wanted:
        cuts = [next(made) for _ in block]
        _write(_path(folder, block), cuts, _digest(plan, block, settings))
        for number, each in zip(block, cuts, strict=True):
            if each.unread:
                source = plan.jobs[number].source
                count, why = unread.get(source, (0, each.unread[0]))
                unread[source] = count + len(each.unread), why
    return Pieces(made=len(wanted), present=len(mine) - len(wanted), unread=unread)


def cut_or_read(
    folder: Path,
    plan: Plan,
    first: int,
    settings: dict[str, Any],
    cut: Cut,
    processes: int | None,
) -> Iterator[CutPair]:
    """What the jobs give from number `first` on, from the pieces where these have it."""
    blocks = [range(max(block.start, first), block.stop) for block in _blocks(len(plan.jobs))
              if block.stop > first]  # fmt: skip
    if not folder.is_dir():
        yield from map_in_order(cut, plan.jobs[first:], processes, batch=1)
        return
    whole = {block.stop: block for block in _blocks(len(plan.jobs))}
    missing = [
        job
        for block in blocks
        if _head(_path(folder, whole[block.stop]), plan, whole[block.stop], settings) is None
        for job in plan.jobs[block.start : block.stop]
    ]
    made = map_in_order(cut, missing, processes, batch=1)
    waiting = set(map(id, missing))
    for block in blocks:
        if id(plan.jobs[block.start]) in waiting:
            yield from (next(made) for _ in block)
            continue
        full = whole[block.stop]
        yield from _read(_path(folder, full), plan, full, settings)[block.start - full.start :]


def _blocks(jobs: int) -> list[range]:
    length = min(max(-(-jobs // _BLOCKS), 1), _MOST_JOBS)
    return [range(at, min(at + length, jobs)) for at in range(0, jobs, length)]


def _path(folder: Path, block: range) -> Path:
    return folder / f"{block.start:08d}-{block.stop:08d}"


def _digest(plan: Plan, block: range, settings: dict[str, Any]) -> str:
    """Of all that a block's samples depend on."""
    jobs = b"".join(job.digest for job in plan.jobs[block.start : block.stop])
    said = json.dumps(settings, sort_keys=True).encode()
    return blake2b(said + jobs, digest_size=16).hexdigest()


def _write(path: Path, cuts: Sequence[CutPair], digest: str) -> None:
    """The length of the head; the head, JSON; and what all samples have, one after the other."""
    samples = [sample for cut in cuts for sample in cut.samples]
    content = blake2b(digest_size=16)
    for sample in samples:
        for data in sample.members.values():
            content.update(data)
    head = {
        "digest": digest,
        "content": content.hexdigest(),
        "cuts": [
            {"samples": len(cut.samples), "left_out": cut.left_out, "unread": cut.unread}
            for cut in cuts
        ],
        "samples": [
            {
                "key": sample.key,
                "size": sample.size,
                "class_pixels": sample.class_pixels.tolist(),
                "members": [
                    {"suffix": suffix, "bytes": len(data)}
                    for suffix, data in sample.members.items()
                ],
            }
            for sample in samples
        ],
    }
    text = json.dumps(head).encode()
    with atomic_file(path) as file:
        file.write(len(text).to_bytes(_HEAD_BYTES, "big"))
        file.write(text)
        for sample in samples:
            for data in sample.members.values():
                file.write(data)


def _head(path: Path, plan: Plan, block: range, settings: dict[str, Any]) -> _SavedPiece | None:
    """What a piece says of itself, if it is of these jobs and settings."""
    try:
        with path.open("rb") as file:
            head = _parsed(file, path)
            held = sum(member.bytes for sample in head.samples for member in sample.members)
            whole = path.stat().st_size == file.tell() + held
    except (FileNotFoundError, DamagedFileError):
        return None
    jobs = len(head.cuts) == len(block)
    counted = sum(cut.samples for cut in head.cuts) == len(head.samples)
    fits = head.digest == _digest(plan, block, settings)
    return head if whole and jobs and counted and fits else None


def _parsed(file: IO[bytes], path: Path) -> _SavedPiece:
    length = int.from_bytes(file.read(_HEAD_BYTES), "big")
    if length > path.stat().st_size:
        raise DamagedFileError(f"{path} is damaged. It is made again.")
    return _PIECES.parse(file.read(length), str(path))


def _read(path: Path, plan: Plan, block: range, settings: dict[str, Any]) -> list[CutPair]:
    """The jobs' samples. Raises DamagedFileError if the file is not what was written."""
    content = blake2b(digest_size=16)
    with path.open("rb") as file:
        head = _parsed(file, path)
        samples = []
        for saved in head.samples:
            members = {member.suffix: file.read(member.bytes) for member in saved.members}
            for data in members.values():
                content.update(data)
            samples.append(
                Sample(
                    key=saved.key,
                    members=members,
                    size=saved.size,
                    class_pixels=np.array(saved.class_pixels),
                )
            )
    if content.hexdigest() != head.content or head.digest != _digest(plan, block, settings):
        raise DamagedFileError(f"{path} is damaged. Remove it and run the same command again.")
    cuts, at = [], 0
    for cut in head.cuts:
        taken = tuple(samples[at : at + cut.samples])
        cuts.append(CutPair(samples=taken, left_out=cut.left_out, unread=cut.unread))
        at += cut.samples
    return cuts
