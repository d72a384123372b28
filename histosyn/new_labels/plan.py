"""What is done for one new map: which maps it is made of, and which operations, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from histosyn.new_labels.objects import ObjectChanges
from histosyn.new_labels.settings import NewLabelSettings, Range
from histosyn.new_labels.symmetries import ALL, KEEPING_SHAPE
from hpc.randomness import generator_of, key_of

# Maps of which one of another size is put together.
_MAPS_TO_GROW = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sources, by number: `base`, those it is `grown` of, what it is `joined` with, `donor`.

    `seam` is where the joint is wished, as a share of the side, upright or `across`.
    """

    base: int
    grown: tuple[int, ...]
    partner: int | None
    seam: float
    across: bool
    symmetry: int
    turn: float
    zoom: float
    bend: float
    donor: int
    changes: ObjectChanges | None
    roughen: float


def random_of(
    settings: NewLabelSettings, number: int, attempt: int, purpose: str
) -> np.random.Generator:
    """The random numbers of one purpose for attempt `attempt` at map `number`."""
    return generator_of(key_of(settings.seed, "new labels", purpose, number, attempt))


def planned(
    settings: NewLabelSettings,
    weights_N: np.ndarray,
    sizes: Sequence[tuple[int, int]],
    number: int,
    attempt: int,
) -> Plan:
    """Draw what is done in attempt `attempt` at map `number`, from maps of these sizes."""
    rng = random_of(settings, number, attempt, "plan")

    def drawn(range_: Range) -> float:
        return round(float(rng.uniform(range_.low, range_.high)), 4)

    base, partner, donor, *others = rng.choice(
        len(weights_N), size=3 + _MAPS_TO_GROW, p=weights_N
    ).tolist()
    size = settings.size or sizes[base]
    grows = any(have < want for have, want in zip(sizes[base], size, strict=True))
    joins = rng.random() < settings.join
    symmetries = ALL if size[0] == size[1] else KEEPING_SHAPE
    symmetry = int(rng.integers(symmetries)) if settings.flips else 0
    return Plan(
        base=base,
        grown=tuple(others) if grows else (),
        partner=partner if joins and _holds(sizes[partner], size) else None,
        seam=round(float(rng.uniform(0.25, 0.75)), 4),
        across=bool(rng.integers(2)),
        symmetry=symmetry,
        turn=drawn(settings.turn),
        zoom=drawn(settings.zoom),
        bend=drawn(settings.bend),
        donor=donor,
        changes=ObjectChanges(
            thin=drawn(settings.thin),
            move=drawn(settings.move),
            reach=settings.reach,
            crowd=drawn(settings.crowd),
            turn=settings.object_turn,
            scale=(settings.object_scale.low, settings.object_scale.high),
        )
        if settings.changes_objects
        else None,
        roughen=drawn(settings.roughen),
    )


def _holds(have: tuple[int, int], want: tuple[int, int]) -> bool:
    return have[0] >= want[0] and have[1] >= want[1]
