"""From the members of a tar to its samples: what belongs together, and what nobody should open."""

from __future__ import annotations

import os
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from histosyn.shards.index import FACTS_SUFFIX, LABEL_SUFFIX, TILE_SUFFIXES, LeftOut
from histosyn.shards.samples_table import Member
from histosyn.shards.tar import TarDamage, TarMember, scan_tar

# Reading these can run code that somebody put into them.
PICKLES = frozenset({"pickle", "pkl", "pyd", "pth", "pt", "ckpt", "npy", "npz", "joblib", "dill"})
# As in WebDataset: the key ends at the first point of the file's name.
_KEY_AND_SUFFIX = re.compile(r"((?:.*/)?[^./][^/.]*)\.([^/]+)", re.DOTALL)
_OURS = frozenset({*TILE_SUFFIXES, LABEL_SUFFIX, FACTS_SUFFIX})


@dataclass(frozen=True, kw_only=True)
class RawSample:
    """The members of one key: its tile, its label map and perhaps its facts (JSON)."""

    key: str
    tile: Member
    label: Member
    facts: Member | None


@dataclass(frozen=True, kw_only=True)
class ShardContent:
    """What a shard holds: samples in the order of the file, and what cannot be used."""

    samples: tuple[RawSample, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(kw_only=True)
class _Found:
    members: dict[str, TarMember] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def content_of(path: Path) -> ShardContent:
    """Scan a shard; raises OSError if it cannot be read."""
    found: defaultdict[str, _Found] = defaultdict(_Found)
    left_out: list[LeftOut] = []
    for item in scan_tar(path):
        if isinstance(item, TarDamage):
            left_out.append(LeftOut(shard=path.name, key=f"byte {item.offset}", cause=item.cause))
        elif match := _KEY_AND_SUFFIX.fullmatch(item.name):
            _note(found[match[1]], match[2], item)
        elif not PurePosixPath(item.name).name.startswith("__"):  # WebDataset's notes to itself
            _note(found[item.name], "", item)
    samples = []
    with path.open("rb") as file:
        for key, one in found.items():
            cause = _fault(one)
            if cause is None:
                samples.append(_raw_sample(key, one.members, file.fileno()))
            else:
                left_out.append(LeftOut(shard=path.name, key=key, cause=cause))
    return ShardContent(samples=tuple(samples), left_out=tuple(left_out))


def _note(found: _Found, suffix: str, member: TarMember) -> None:
    suffix = suffix.lower()
    if suffix.rpartition(".")[2] in PICKLES:
        found.faults.append(f"{member.name} could hold a pickle, which can run code: refused")
    elif suffix in found.members:
        found.faults.append(f"{member.name} occurs twice in the shard: duplicated key")
    else:
        found.members[suffix] = member


def _fault(found: _Found) -> str | None:
    if found.faults:
        return found.faults[0]
    tiles = [suffix for suffix in TILE_SUFFIXES if suffix in found.members]
    if len(tiles) > 1:
        return f"it has two tiles, .{tiles[0]} and .{tiles[1]}"
    others = ", ".join(f".{suffix}" for suffix in found.members if suffix not in _OURS)
    seen = f" (it has {others})" if others else ""
    if not tiles:
        return f"it has no tile: no member .{' or .'.join(TILE_SUFFIXES)}{seen}"
    if LABEL_SUFFIX not in found.members:
        return f"it has no label map: no member .{LABEL_SUFFIX}{seen}"
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
    data = os.pread(descriptor, member.size, member.offset)
    return Member(offset=member.offset, size=member.size, crc32=zlib.crc32(data))
