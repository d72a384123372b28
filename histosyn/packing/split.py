"""The split of groups (patients, slides) into train, val and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from histosyn.sources.tile_facts import TRAIN
from hpc.errors import ConfigError
from hpc.randomness import key_of, permutation


def split_groups(
    samples_of: Mapping[str, int], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Assign each group to a part, whole, so that parts get about their share of the samples.

    `samples_of` counts samples a group, `shares` maps val and test to shares in [0, 1); the rest
    is train. Raises ConfigError if there are too few groups to give every part one.
    """
    wanted = {part: share for part, share in shares.items() if share > 0}
    if sum(wanted.values()) >= 1 or not all(0 <= share < 1 for share in shares.values()):
        raise ConfigError(f"The shares {dict(shares)} must be positive and leave some for train.")
    if len(samples_of) < len(wanted) + 1:
        raise ConfigError(
            f"{len(samples_of)} groups cannot be split into {len(wanted) + 1} parts. "
            "Ask for fewer parts, or give finer groups."
        )
    groups = sorted(samples_of)
    shuffled = [groups[i] for i in permutation(key_of(seed, "split"), len(groups))]
    total = sum(samples_of.values())
    assigned: dict[str, str] = {}
    for part, share in wanted.items():
        reserve = len(wanted) - list(wanted).index(part)  # later parts and train get one each
        assigned |= dict.fromkeys(_take(shuffled, samples_of, share * total, reserve), part)
    return {group: assigned.get(group, TRAIN) for group in groups}


def _take(
    shuffled: list[str], samples_of: Mapping[str, int], target: float, reserve: int
) -> Sequence[str]:
    """Remove groups from the front while that brings their samples nearer to `target`."""
    taken: list[str] = []
    filled = 0
    while len(shuffled) > reserve:
        after = filled + samples_of[shuffled[0]]
        if taken and abs(after - target) > abs(filled - target):
            break
        taken.append(shuffled.pop(0))
        filled = after
    return taken
