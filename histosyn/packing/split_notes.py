"""What a split has become: how many groups each held-out part got, and when they are too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from histosyn.packing.config import PackConfig
from histosyn.shards.index import DatasetIndex
from histosyn.sources.tile_facts import TRAIN

_FEW = 1


@dataclass(frozen=True, kw_only=True)
class SplitNote:
    """A sentence on a held-out part, and whether it is a warning."""

    text: str
    warns: bool


def split_notes(indexes: Mapping[str, DatasetIndex], config: PackConfig) -> list[SplitNote]:
    """How many patients, or other groups, became val and test; nothing if no groups are known.

    `indexes` are those of the parts of one data set.
    """
    groups_of = {part: len(index.table.groups()) for part, index in indexes.items()}
    if len(indexes) < 2 or all(groups_of[part] == len(index) for part, index in indexes.items()):
        return []
    return list(_notes(indexes, groups_of, config))


def _notes(
    indexes: Mapping[str, DatasetIndex], groups_of: Mapping[str, int], config: PackConfig
) -> Iterator[SplitNote]:
    every, samples = sum(groups_of.values()), sum(map(len, indexes.values()))
    what = config.group_column if config.groups is not None else "group"
    for part, index in indexes.items():
        if part == TRAIN:
            continue
        count, asked = groups_of[part], {"val": config.val, "test": config.test}[part]
        told = f"{part} has {count} of {every} {what}s, {len(index) / samples:.0%} of the samples"
        wished = f" ({asked:.0%} were asked for)" if asked else ""
        if count > _FEW or every <= len(indexes):
            yield SplitNote(text=f"{told}{wished}.", warns=False)
            continue
        more = f"--{part} {_larger(asked, every)}" if asked else "the column split"
        yield SplitNote(
            text=f"{told}{wished}: one {what} alone. What is measured on it says nothing of how "
            f"{what}s differ, has no interval by {what} and no real-versus-real floor. Hold out "
            f"more ({more}), or cross-validate with several --seed.",
            warns=True,
        )


def _larger(asked: float, every: int) -> str:
    """A share that takes in about one group more."""
    return f"{min(asked + 1 / every, 0.5):.1f}" if asked + 1 / every < 0.95 else "0.5"
