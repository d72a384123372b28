"""Grouping the members of a tar into samples by key; pickles and the like are refused."""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from histosyn.shards.index import (
    FACTS_SUFFIX,
    LABEL_SUFFIX,
    LARGEST_IMAGE_BYTES,
    TILE_SUFFIXES,
    LeftOut,
)
from histosyn.shards.samples_table import Member
from histosyn.shards.tar import TarBoundary, TarDamage, TarIgnored, TarMember, scan_tar
from hpc.files import open_regular_file

# Reading these can run code that somebody put into them.
PICKLES = frozenset({"pickle", "pkl", "pyd", "pth", "pt", "ckpt", "npy", "npz", "joblib", "dill"})
# As in WebDataset: the key ends at the first point of the file's name.
_KEY_AND_SUFFIX = re.compile(r"((?:.*/)?[^./][^/.]*)\.([^/]+)", re.DOTALL)
_OURS = frozenset({*TILE_SUFFIXES, LABEL_SUFFIX, FACTS_SUFFIX})
_LARGEST_FACTS_BYTES = 1 << 20  # a few lines are due
_READ_BYTES = 1 << 20
_SHOWN_SUFFIXES = 5


@dataclass(frozen=True, kw_only=True)
class RawSample:
    """The members of one key: its tile, its label map and perhaps its facts (JSON)."""

    key: str
    tile: Member
    label: Member
    facts: Member | None


@dataclass(frozen=True, kw_only=True)
class ShardContent:
    """What a shard holds: samples in the order of the file, and what cannot be used.

    `seams` are the bytes at which further archives begin in the same file, `left_aside` counts the
    files that are none of the user's.
    """

    samples: tuple[RawSample, ...]
    left_out: tuple[LeftOut, ...]
    seams: tuple[int, ...]
    left_aside: int


@dataclass(kw_only=True)
class _Found:
    members: dict[str, TarMember] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def content_of(path: Path) -> ShardContent:
    """Scan a shard; raises OSError if it cannot be read."""
    found: defaultdict[str, _Found] = defaultdict(_Found)
    left_out: list[LeftOut] = []
    seams: list[int] = []
    left_aside = 0
    for item in scan_tar(path):
        if isinstance(item, TarBoundary):
            seams.append(item.offset)
        elif isinstance(item, TarIgnored):
            left_aside += 1
        elif isinstance(item, TarDamage):
            left_out.append(_left_out_at(path, item))
        elif match := _KEY_AND_SUFFIX.fullmatch(item.name):
            _note(found[match[1]], match[2], item)
        else:
            _note(found[item.name], "", item)
    samples = []
    with open_regular_file(path) as file:
        for key, one in found.items():
            cause = _fault(key, one)
            if cause is None:
                samples.append(_raw_sample(key, one.members, file.fileno()))
            else:
                left_out.append(LeftOut(shard=path.name, key=key, cause=cause, damaged=False))
    return ShardContent(
        samples=tuple(samples),
        left_out=tuple(left_out),
        seams=tuple(seams),
        left_aside=left_aside,
    )


def _left_out_at(path: Path, damage: TarDamage) -> LeftOut:
    return LeftOut(
        shard=path.name,
        key=f"byte {damage.offset}",
        cause=damage.cause,
        damaged=not damage.refused,
    )


def _note(found: _Found, suffix: str, member: TarMember) -> None:
    suffix = suffix.lower()
    if suffix.rpartition(".")[2] in PICKLES:
        found.faults.append(f"{member.name} could hold a pickle, which can run code: refused")
    elif suffix in found.members:
        found.faults.append(f"{member.name} occurs twice in the shard: duplicated key")
    else:
        found.members[suffix] = member


def _fault(key: str, found: _Found) -> str | None:
    if found.faults:
        return found.faults[0]
    tiles = [suffix for suffix in TILE_SUFFIXES if suffix in found.members]
    if len(tiles) > 1:
        return f"it has two tiles, .{tiles[0]} and .{tiles[1]}"
    if not tiles:
        return f"it has no tile: no member .{' or .'.join(TILE_SUFFIXES)}{_seen(key, found)}"
    if LABEL_SUFFIX not in found.members:
        return f"it has no label map: no member .{LABEL_SUFFIX}{_seen(key, found)}"
    return _size_fault(found.members)


def _seen(key: str, found: _Found) -> str:
    """What there is instead of what is wanted, and perhaps why."""
    others = [suffix for suffix in found.members if suffix and suffix not in _OURS]
    if not others:
        return ""
    listed = ", ".join(f".{suffix}" for suffix in others[:_SHOWN_SUFFIXES])
    more = ", …" if len(others) > _SHOWN_SUFFIXES else ""
    return f" (it has {listed}{more}{_points_in_key(PurePosixPath(key).name, others)})"


def _points_in_key(key: str, suffixes: list[str]) -> str:
    for suffix in suffixes:
        for wanted in (*TILE_SUFFIXES, LABEL_SUFFIX):
            if suffix.endswith(f".{wanted}"):
                rest = suffix.removesuffix(f".{wanted}").replace(".", "-")
                return (
                    f"; a key ends at the first point, so write {key}-{rest}.{wanted} for "
                    f"{key}.{suffix}"
                )
    return ""


def _size_fault(members: dict[str, TarMember]) -> str | None:
    """Sizes are compared before anything is read: so much memory is asked for."""
    for suffix, member in members.items():
        if suffix in _OURS:
            most = _LARGEST_FACTS_BYTES if suffix == FACTS_SUFFIX else LARGEST_IMAGE_BYTES
            if member.size > most:
                return f"its .{suffix} has {member.size:,} bytes (at most {most:,})"
    return None


def _raw_sample(key: str, members: dict[str, TarMember], descriptor: int) -> RawSample:
    tile = next(suffix for suffix in TILE_SUFFIXES if suffix in members)
    facts = members.get(FACTS_SUFFIX)
    return RawSample(
        key=key,
        tile=_checked(members[tile], descriptor),
        label=_checked(members[LABEL_SUFFIX], descriptor),
        facts=_checked(facts, descriptor) if facts else None,
    )


def _checked(member: TarMember, descriptor: int) -> Member:
    crc32, done = 0, 0
    while done < member.size:
        data = os.pread(descriptor, min(_READ_BYTES, member.size - done), member.offset + done)
        if not data:
            raise OSError(errno.EIO, "It became shorter while it was read")
        crc32, done = zlib.crc32(data, crc32), done + len(data)
    return Member(offset=member.offset, size=member.size, crc32=crc32)
