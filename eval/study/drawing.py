"""Drawing the images of each block: as many of both arms, even over classes and patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from eval.study.candidates import ARMS, REAL, SYNTHETIC, Candidate
from hpc.errors import InputError
from hpc.randomness import key_of, permutation

Drawn = dict[str, dict[str, list[Candidate]]]


def drawn_blocks(
    candidates: Mapping[str, Sequence[Candidate]], each: Mapping[str, int], seed: int
) -> Drawn:
    """Block -> arm -> tiles; `each` says how many of an arm a block needs, none is in two blocks.

    Both arms get the same classes, as evenly as there are tiles; within a class patients take
    turns. Of a label map either the real or a synthetic tile is shown, as long as others are there.
    Raises InputError if there are too few.
    """
    tissues = {arm: [tile.tissue for tile in candidates[arm]] for arm in ARMS}
    classes = sorted(set(tissues[REAL]) & set(tissues[SYNTHETIC]))
    capacity = {name: min(tissues[arm].count(name) for arm in ARMS) for name in classes}
    if sum(each.values()) > sum(capacity.values()):
        raise InputError(_too_few(candidates, capacity, each))
    order = _classes_in_turns(capacity, sum(each.values()))
    real = _queues(candidates[REAL], seed, REAL, frozenset())
    shown = (tile.twin for name in classes for tile in real[name][: order.count(name)])
    queues = {
        REAL: real,
        SYNTHETIC: _queues(candidates[SYNTHETIC], seed, SYNTHETIC, frozenset(shown)),
    }
    turns = {arm: {name: iter(queues[arm][name]) for name in classes} for arm in ARMS}
    following = iter(order)
    return {
        block: _drawn([next(following) for _ in range(count)], turns)
        for block, count in each.items()
    }


def _drawn(
    classes: Sequence[str], turns: Mapping[str, Mapping[str, Iterator[Candidate]]]
) -> dict[str, list[Candidate]]:
    return {arm: [next(turns[arm][name]) for name in classes] for arm in ARMS}


def _classes_in_turns(capacity: Mapping[str, int], count: int) -> list[str]:
    """The class of each tile to be drawn: of those with tiles left, the one had least often."""
    used = dict.fromkeys(capacity, 0)
    order = []
    for _ in range(count):
        name = min((one for one in used if used[one] < capacity[one]), key=lambda one: used[one])
        used[name] += 1
        order.append(name)
    return order


def left_out_classes(candidates: Mapping[str, Sequence[Candidate]]) -> list[str]:
    """Classes that only one arm has: none of them is shown."""
    tissues = [{tile.tissue for tile in candidates[arm]} for arm in ARMS]
    return sorted(tissues[0] ^ tissues[1])


def _queues(
    tiles: Sequence[Candidate], seed: int, arm: str, shown: frozenset[str]
) -> dict[str, list[Candidate]]:
    """Class -> its tiles: patients take turns, tiles of label maps that are `shown` come last."""
    order = permutation(key_of(seed, "study tiles", arm), len(tiles))
    by_class: defaultdict[str, defaultdict[str, list[Candidate]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in order:
        tile = tiles[row]
        by_class[tile.tissue][tile.patient or tile.twin].append(tile)
    return {
        tissue: sorted(_in_turns(list(groups.values())), key=lambda one: one.twin in shown)
        for tissue, groups in sorted(by_class.items())
    }


def _in_turns(groups: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    most = max(map(len, groups))
    return [group[turn] for turn in range(most) for group in groups if turn < len(group)]


def _too_few(
    candidates: Mapping[str, Sequence[Candidate]],
    capacity: Mapping[str, int],
    each: Mapping[str, int],
) -> str:
    there = " and ".join(f"{len(candidates[arm])} {arm}" for arm in ARMS)
    parts = ", ".join(f"{count} for the {block} block" for block, count in each.items() if count)
    usable, needed = sum(capacity.values()), sum(each.values())
    classes = (
        f" Of the classes that both arms have, {usable} each can be drawn alike."
        if len(capacity) != 1 or usable < min(len(candidates[arm]) for arm in ARMS)
        else ""
    )
    return (
        f"The design needs {needed} tiles of each arm ({parts}), but there are {there}.{classes} "
        "Give more tiles, or fewer --images, --practice, --informed or --feedback."
    )
