"""What each reader sees in which order: pictures in items, repeats, opaque names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.study.candidates import ARMS, REAL, SYNTHETIC, Candidate
from eval.study.design import PRACTICE, Design
from eval.study.drawing import Drawn
from hpc.randomness import distinct_integers, integers, key_of, permutation

# No vowels and no digits: no spreadsheet takes a name for a word, a number or a date.
LETTERS = "bcdfghjkmnpqrstvwxz"
_NAME_LETTERS = 8


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question to a reader: a tile, or a pair of them from left to right.

    `repeat`: shown before; that answer is for agreement of readers with themselves only.
    """

    name: str
    tiles: tuple[Candidate, ...]
    practice: bool = False
    repeat: bool = False


def letters_of(key: int, count: int = _NAME_LETTERS) -> str:
    """Letters that say nothing, by a key."""
    drawn = integers(key, np.arange(count), len(LETTERS))
    return "".join(LETTERS[number] for number in drawn)


def items_of(
    drawn: Drawn, block: str, reader: str, design: Design, *, practice: bool
) -> list[Item]:
    """The items of a reader's block in the order in which this reader sees them."""
    found = []
    if practice:
        firsts = _questions(drawn[PRACTICE], design, PRACTICE)
        found += [
            replace(item, practice=True) for item in _shuffled(firsts, design, reader, PRACTICE)
        ]
    firsts = _questions(drawn[block], design, block)
    found += _with_repeats(_shuffled(firsts, design, reader, block), firsts, design, reader, block)
    return _named(found, design, reader, block)


def _questions(tiles: Mapping[str, Sequence[Candidate]], design: Design, block: str) -> list[Item]:
    """The items of a block, the same for all readers, but for their names and order."""
    if design.task != "pairs":
        return [Item(name="", tiles=(tile,)) for arm in ARMS for tile in tiles[arm]]
    pairs = zip(tiles[REAL], tiles[SYNTHETIC], strict=True)
    return [Item(name="", tiles=pair) for pair in pairs]


def _shuffled(items: Sequence[Item], design: Design, reader: str, block: str) -> list[Item]:
    key = key_of(design.seed, "study order", reader, block)
    # Of pairs, as many have the one arm on the left as have the other.
    sides = permutation(key_of(design.seed, "study sides", reader, block), len(items))
    return [
        replace(items[row], tiles=items[row].tiles[:: -1 if sides[row] % 2 else 1])
        for row in permutation(key, len(items))
    ]


def _with_repeats(
    order: Sequence[Item], firsts: Sequence[Item], design: Design, reader: str, block: str
) -> list[Item]:
    """The items and, a quarter of the block later or more, some of them again.

    All readers have the same ones again, as many of both arms.
    """
    chosen = _repeated(firsts, design, block)
    gap = max(len(order) // 4, 1)
    last = len(order) - gap
    first, again = list(order), []
    # What comes twice must come early enough: it changes places with something that comes once.
    early = permutation(key_of(design.seed, "study repeats", reader, block), last)
    for place in range(last, len(first)):
        if _key(first[place]) in chosen:
            other = next(at for at in early if _key(first[at]) not in chosen)
            first[place], first[other] = first[other], first[place]
    for place, item in enumerate(first):
        if _key(item) in chosen:
            key = key_of(design.seed, "study repeats", reader, block, place)
            later = int(integers(key, np.arange(1), len(first) - place - gap + 1)[0])
            again.append((place + gap + later, replace(item, repeat=True)))
    made = []
    for place, item in enumerate(first):
        made += [repeat for at, repeat in again if at == place]
        made.append(item)
    return [*made, *(repeat for at, repeat in again if at >= len(first))]


def _repeated(
    firsts: Sequence[Item], design: Design, block: str
) -> set[frozenset[tuple[str, str]]]:
    count = round(design.repeats * len(firsts))
    kinds = [[item for item in firsts if item.tiles[0].arm == arm] for arm in ARMS]
    chosen = set()
    for number, kind in enumerate(kind for kind in kinds if kind):
        share = count * len(kind) / len(firsts)
        rows = distinct_integers(
            key_of(design.seed, "study repeated", block, number), round(share), len(kind)
        )
        chosen |= {_key(kind[row]) for row in rows}
    return chosen


def _key(item: Item) -> frozenset[tuple[str, str]]:
    """Which tiles, whatever their sides."""
    return frozenset((tile.arm, tile.name) for tile in item.tiles)


def _named(items: Sequence[Item], design: Design, reader: str, block: str) -> list[Item]:
    names: dict[str, None] = {}
    place = 0
    while len(names) < len(items):
        names[letters_of(key_of(design.seed, "study item", reader, block, place))] = None
        place += 1
    return [replace(item, name=name) for item, name in zip(items, names, strict=True)]
