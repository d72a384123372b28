"""Objects laid anew: some moved and turned, some taken away, some put in from this map or another.

An object lands only on classes that were below it before (a nucleus of the stroma in the stroma),
clear of its own kind; where it fits nowhere it stays where it was, or is left out if it is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from histosyn.new_labels.patches import Patch, cut_out, fits, stamp, turned
from histosyn.new_labels.regions import Layers

# Places that are tried for an object.
_TRIES = 12


@dataclass(frozen=True, kw_only=True)
class ObjectChanges:
    """What is done to the objects of a map.

    Shares of the whole objects of each kind: `thin` are taken away, `move` moved, at most `reach`
    pixels in each direction, and so many `crowd` are put in. What is moved or put in is turned by
    at most `turn` degrees and enlarged by a factor in `scale`.
    """

    thin: float = 0.0
    move: float = 0.0
    reach: float = 0.0
    crowd: float = 0.0
    turn: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)


@dataclass(kw_only=True)
class Moves:
    """How many objects were moved, taken away and put in."""

    moved: int = 0
    removed: int = 0
    added: int = 0

    def as_dict(self) -> dict[str, int]:
        """Plain data, as in the manifest."""
        return asdict(self)


@dataclass(kw_only=True, eq=False)
class _Composition:
    """A map that is put together, and what is to lie on its objects: by kind, content and corner.

    `gone` are regions, as (place of the kind, number), that no longer lie where they did.
    """

    canvas_HW: np.ndarray
    on_top: dict[int, list[tuple[np.ndarray, int, int]]]
    gone: set[tuple[int, int]] = field(default_factory=set)

    def lay(self, patch: Patch, place: int, top: int, left: int) -> None:
        stamp(self.canvas_HW, patch.content[0], top, left)
        for smaller, content in zip(reversed(range(place)), patch.content[1:], strict=True):
            self.on_top[smaller].append((content, top, left))


def rearranged(
    layers: Layers,
    donor: Layers,
    rng: np.random.Generator,
    changes: ObjectChanges,
    more: Mapping[int, float] | None = None,
) -> tuple[np.ndarray, Moves]:
    """The map with its objects laid anew, uint8 (H, W); what is put in is of it and of `donor`.

    Both maps have the same kinds. `more` are shares of objects to put in besides, by class.
    """
    places = range(len(layers.regions))
    made = _Composition(canvas_HW=layers.ground.copy(), on_top={place: [] for place in places})
    moves = Moves()
    for place in reversed(places):
        for content, top, left in made.on_top[place]:
            stamp(made.canvas_HW, content, top, left)
        moved = _keep_the_others(made, layers, place, rng, changes, moves)
        for number in moved:
            _move(made, layers, place, number, rng, changes, moves)
        _crowd(made, (layers, donor), place, rng, changes, more or {}, moves)
    return made.canvas_HW, moves


def _keep_the_others(
    made: _Composition,
    layers: Layers,
    place: int,
    rng: np.random.Generator,
    changes: ObjectChanges,
    moves: Moves,
) -> list[int]:
    """Lay what stays in its place; the numbers of what is to be moved."""
    moved = []
    regions = layers.regions[place]
    chances = rng.random(len(regions))
    for number, region in enumerate(regions):
        held = any(
            (place + 1 + up, parent) in made.gone for up, parent in enumerate(region.parents)
        )
        if held:
            made.gone.add((place, number))
        elif region.whole and chances[number] < changes.thin + changes.move:
            made.gone.add((place, number))
            if chances[number] < changes.thin:
                moves.removed += 1
            else:
                moved.append(number)
        else:
            window = made.canvas_HW[region.box]
            # Something else may have come to lie where it was.
            if not region.whole or region.below[window[region.mask]].all():
                window[region.mask] = region.content[region.mask]
    return moved


def _move(
    made: _Composition,
    layers: Layers,
    place: int,
    number: int,
    rng: np.random.Generator,
    changes: ObjectChanges,
    moves: Moves,
) -> None:
    patch, (top, left) = cut_out(layers, place, number)
    other = _turned_at_random(patch, rng, changes)
    # Around the same middle, although the box has grown.
    shift = [(a - b) // 2 for a, b in zip(patch.size, other.size, strict=True)]
    for dy, dx in np.rint(rng.uniform(-changes.reach, changes.reach, (_TRIES, 2))).astype(int):
        corner = top + shift[0] + int(dy), left + shift[1] + int(dx)
        if fits(made.canvas_HW, other, *corner):
            made.lay(other, place, *corner)
            moves.moved += 1
            return
    if fits(made.canvas_HW, patch, top, left):
        made.lay(patch, place, top, left)
    else:
        moves.removed += 1


def _crowd(
    made: _Composition,
    sources: Sequence[Layers],
    place: int,
    rng: np.random.Generator,
    changes: ObjectChanges,
    more: Mapping[int, float],
    moves: Moves,
) -> None:
    """Put in objects of the sources where the canvas has room."""
    choice = [
        (source, number)
        for source in sources
        for number, region in enumerate(source.regions[place])
        if region.whole
    ]
    if not choice:
        return
    kind = choice[0][0].regions[place][choice[0][1]].kind
    present = sum(region.whole for region in sources[0].regions[place])
    count = int(rng.poisson((changes.crowd + more.get(kind, 0.0)) * present))
    for _ in range(count):
        source, number = choice[rng.integers(len(choice))]
        patch = _turned_at_random(cut_out(source, place, number)[0], rng, changes)
        room = [a - b + 1 for a, b in zip(made.canvas_HW.shape, patch.size, strict=True)]
        if min(room) < 1:
            continue
        for corner in rng.integers(0, room, (_TRIES, 2)).tolist():
            if fits(made.canvas_HW, patch, *corner):
                made.lay(patch, place, *corner)
                moves.added += 1
                break


def _turned_at_random(patch: Patch, rng: np.random.Generator, changes: ObjectChanges) -> Patch:
    angle, scale = rng.uniform(-changes.turn, changes.turn), rng.uniform(*changes.scale)
    return turned(patch, angle=angle, scale=scale, mirror=bool(rng.integers(2)))
