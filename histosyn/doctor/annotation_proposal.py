"""A label schema for annotations that came without one, from their classes' names and colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from histosyn.annotations.painting import is_painted
from histosyn.doctor.colors import distinct_colors
from histosyn.doctor.proposal import IGNORE, Proposal
from histosyn.labels.schema import MAX_CLASSES, PROPOSED, LabelClass, LabelSchema
from histosyn.slides.summary import SlideSummary
from hpc.errors import LabelError

_WHITE = "#ffffff"
_HEAD = """# Proposed by `histosyn {command}` from the classes of the annotations.
# Pass this file with --schema, for other slides of the same classes, too.
"""


def propose_for_annotations(
    summaries: Iterable[SlideSummary], unannotated: str | None = None
) -> Proposal | None:
    """A schema of all classes that occur, sorted by name; None if there are none.

    `unannotated`, the class of what no annotation covers, comes first if it is not among them.
    """
    colors: dict[str, list[str]] = {}
    for summary in summaries:
        for name in filter(is_painted, summary.counts):
            found = colors.setdefault(str(name), [])
            color = summary.colors.get(str(name))
            if color is not None and color not in found:
                found.append(color)
    if not colors:
        return None
    names = sorted(colors, key=lambda name: (name.casefold(), name))
    doubts = []
    if len(names) == 1 and unannotated is None:
        doubts.append(
            f"All annotations are {names[0]}: name the class of what lies outside with "
            "--unannotated."
        )
        unannotated = "background"
    if unannotated is not None and unannotated.casefold() not in map(str.casefold, names):
        names.insert(0, unannotated)
    if len(names) > MAX_CLASSES:
        raise LabelError(
            f"The annotations are of {len(names)} classes, more than {MAX_CLASSES}. Name those "
            "that count in a schema (--schema), and reclassify the others in QuPath."
        )
    notes = [
        f"{name} has several colours ({', '.join(found)}); the first is taken."
        for name, found in sorted(colors.items())
        if len(found) > 1
    ]
    chosen = _chosen([colors.get(name, [_WHITE]) for name in names])
    classes = tuple(
        LabelClass(name=name, color=color) for name, color in zip(names, chosen, strict=True)
    )
    return Proposal(
        schema=LabelSchema(name=PROPOSED, classes=classes, ignore=IGNORE),
        notes=(*notes, *doubts),
        doubts=tuple(doubts),
        head=_HEAD,
        named=True,
    )


def _chosen(wanted: Sequence[Sequence[str]]) -> list[str]:
    """The first colour of each, or a free one where there is none or another class has it."""
    taken = {color for colors in wanted for color in colors[:1]}
    used = np.array([list(bytes.fromhex(color[1:])) for color in sorted(taken)], dtype=np.uint8)
    free = iter(distinct_colors(len(wanted), used.reshape(-1, 3)))
    chosen: list[str] = []
    for colors in wanted:
        chosen.append(colors[0] if colors and colors[0] not in chosen else next(free))
    return chosen
