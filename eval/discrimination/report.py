"""Everything about telling real from synthetic: readers, their mean, the machine, the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.discrimination.machine import agreements, machine_panel, mean_ratings, read_machine
from eval.discrimination.panel import Panel
from eval.discrimination.random_readers import EQUIVALENCE, METHOD
from eval.discrimination.reader_numbers import LEVEL, MEAN, mean_numbers, reader_numbers
from eval.discrimination.tables import RatingsFile, found_scale, read_panels
from eval.statistics.bootstrap import FEW_DRAWN
from eval.statistics.result import Number, Result
from eval.study.design import FIRST
from eval.study.reading import StudyRecord, record_beside
from eval.two_samples.surest import surest_tiles
from hpc.errors import InputError

SUREST, AGREEMENT, ROC = "surest", "machine_agreement", "roc"
_FEW_READERS = 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`scale` in rising order; None: the study's, or 1 to an even number. `margin` overrides."""

    scale: tuple[str, ...] | None = None
    margin: float | None = None
    machine: Path | None = None


def discrimination(paths: Sequence[Path], settings: Settings = Settings()) -> Result:
    """Analyse files of ratings, each block by itself.

    Margin, scale and primary outcome are those of the protocol in `study.json` beside the first
    file, if it is there. Raises InputError for files that cannot be read, or are of one block.
    """
    record = record_beside(paths[0])
    planned = None if record is None else record.protocol.design
    scale = settings.scale or (planned.scale if planned else found_scale(paths))
    if len(scale) < 2:
        raise InputError("--categories: a scale has two grades or more.")
    files = [read_panels(path, scale) for path in paths]
    panels = _apart(files)
    margin = settings.margin or (planned.margin if planned else None)
    primary = planned.primary if planned else None
    machine = None if settings.machine is None else read_machine(settings.machine)
    numbers: list[Number] = []
    agreement: list[Number] = []
    surest: dict[str, Any] = {}
    curves: list[dict[str, Any]] = []
    for panel in panels:
        numbers += [*reader_numbers(panel), *mean_numbers(panel, margin, primary)]
        if not panel.pairs:
            surest[f"readers, {panel.block}"] = _surest(panel, mean_ratings(panel))
        other = None if machine is None else machine_panel(panel, machine)
        if not panel.pairs:
            machines = {} if other is None else _roc(other)
            curves.append({"block": panel.block, "curves": _roc(panel), "machines": machines})
        if other is not None:
            numbers += reader_numbers(other, machine=True)
            agreement += agreements(panel, other)
            for test, scores_I in zip(other.readers, other.ratings_IR.T, strict=True):
                surest[f"{test}, {panel.block}"] = _surest(other, scores_I)
    return Result(
        kind="discrimination",
        inputs={
            "ratings": [
                {
                    "path": str(one.path),
                    "sha256": one.sha256,
                    "blocks": [p.block for p in one.panels],
                }
                for one in files
            ],
            "machine": None if settings.machine is None else str(settings.machine),
            "study": None if record is None else record.study,
        },
        settings={
            "scale": list(scale),
            "margin": margin,
            "primary": primary,
            "interval_level": LEVEL,
            "pooling": METHOD,
            "equivalence": EQUIVALENCE,
            "protocol_sha256": None if record is None else record.protocol_sha256,
        },
        numbers=tuple(numbers),
        warnings=tuple(_warnings(panels, record, settings, margin)),
        tables={
            SUREST: surest,
            AGREEMENT: [vars(one) for one in agreement],
            ROC: curves,
            "deviations": list(_deviations(panels, record, settings)),
        },
    )


def _apart(files: Sequence[RatingsFile]) -> list[Panel]:
    """The panels of all files; two of one block would have to be put together."""
    panels = [panel for one in files for panel in one.panels]
    keys = [(panel.block, panel.pairs) for panel in panels]
    if len(set(keys)) < len(keys):
        raise InputError(
            "Two files hold ratings of one block. Put them into one file if they belong together."
        )
    return panels


def _surest(panel: Panel, ratings_I: Any) -> dict[str, list[str]]:
    known = np.flatnonzero(~np.isnan(ratings_I))
    names = [panel.images[row] for row in known]
    return surest_tiles(ratings_I[known], panel.positive_I[known], names)


def _roc(panel: Panel) -> dict[str, list[tuple[float, float]]]:
    """Points (false alarms, hits) of each reader, from saying always no to saying always yes."""
    grades = sorted(set(panel.ratings_IR[panel.answered].tolist()), reverse=True)
    curves = {}
    for reader, ratings_I in zip(panel.readers, panel.ratings_IR.T, strict=True):
        points = [(0.0, 0.0)]
        sides = [ratings_I[kind & ~np.isnan(ratings_I)]
                 for kind in (~panel.positive_I, panel.positive_I)]  # fmt: skip
        if all(map(len, sides)):
            points += [
                (float((sides[0] >= grade).mean()), float((sides[1] >= grade).mean()))
                for grade in grades
            ]
            curves[reader] = points
    return curves


def _deviations(
    panels: Sequence[Panel], record: StudyRecord | None, settings: Settings
) -> Iterator[str]:
    """Where the analysis is not that of the protocol."""
    if record is None:
        return
    yield from record.deviations
    design = record.protocol.design
    if settings.margin is not None and settings.margin != design.margin:
        yield f"the margin is {settings.margin:g}, planned was {design.margin:g}"
    if settings.scale is not None and settings.scale != design.scale:
        yield f"the scale is {','.join(settings.scale)}, not that of the study"
    planned = set(record.protocol.planned_readers)
    for panel in panels:
        if panel.block == FIRST and (strangers := sorted(set(panel.readers) - planned)):
            yield f"readers who were not planned: {', '.join(strangers)}"
    measured = {"pairs" if panel.pairs else "images" for panel in panels if panel.block == FIRST}
    wanted = {"pairs": "pairs", "agreement": None}.get(design.primary, "images")
    if wanted is not None and wanted not in measured:
        yield f"the primary outcome ({design.primary}, naive block) is not in these ratings"


def _warnings(
    panels: Sequence[Panel], record: StudyRecord | None, settings: Settings, margin: float | None
) -> Iterator[str]:
    for text in _deviations(panels, record, settings):
        yield f"Not as planned: {text}."
    if record is None:
        yield (
            "There is no study.json beside the ratings: what was planned is not known, and whether "
            "the analysis keeps to it."
        )
    if margin is None:
        yield "Without a margin, set before the ratings were seen, equivalence is not tested."
    for panel in panels:
        if len(panel.readers) < _FEW_READERS:
            yield (
                f"{panel.block} block: {len(panel.readers)} reader(s). Intervals for readers in "
                "general need three or more."
            )
        units = len(panel.images) if panel.group_I is None else int(panel.group_I.max()) + 1
        if units < FEW_DRAWN:
            unit = "images" if panel.group_I is None else "patients"
            yield f"{panel.block} block: intervals from {units} {unit} tend to be too narrow."
        if panel.group_I is not None:
            yield (
                f"{panel.block} block: several images are of one patient. Intervals of means and "
                "d' draw whole patients; Wilson's, the exact and DeLong's of single readers take "
                "images for independent."
            )
        part = panel.answered.mean(axis=0)
        for reader, share in zip(panel.readers, part, strict=True):
            if share < 1:
                yield f"{panel.block} block: {reader} read {share:.0%} of the images."
    if any(panel.block != FIRST for panel in panels):
        yield f"Blocks are apart: readers who got clues do better. The claim is of the {FIRST} one."


def mean_of(result: Result, name: str, block: str = FIRST) -> Number | None:
    """One number of the mean of readers, if it is there."""
    found = (
        number
        for number in result.numbers
        if number.name == name
        and number.details.get("reader") == MEAN
        and number.details.get("block") == block
    )
    return next(found, None)
