"""The plan of packing slides: what is left out and why, and where the windows of the rest go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from histosyn.annotations.painting import class_named, classes_of
from histosyn.labels.schema import LabelSchema
from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import SlideJob, stamps
from histosyn.packing.plan import Plan, check_names, common_mpp, parts_of
from histosyn.packing.tiling import grid_starts
from histosyn.slides.summary import SlideSummary
from histosyn.sources.tile_facts import PARTS, TileFacts, match_facts, read_tile_facts
from hpc.errors import ConfigError, DatasetError, InputError, LabelError

# As many windows a job keep a process busy for seconds, and their samples fit into memory.
_WINDOWS = 16
IGNORED = "ignore"


@dataclass(frozen=True, kw_only=True)
class SlidePlan:
    """The jobs, and by slide why it is none of them."""

    plan: Plan
    problems: dict[str, str]


def make_slide_plan(
    summaries: Sequence[SlideSummary], schema: LabelSchema, config: PackConfig
) -> SlidePlan:
    """Decide which slides can be packed, and where each goes.

    Raises ConfigError for settings that no slide can be packed by, DatasetError if no slide is
    left or they contradict each other or the CSV.
    """
    blank_class(schema, config)
    facts_of = _facts_of([item.pair.key for item in summaries], config)
    problems, usable = {}, []
    for item in summaries:
        try:
            usable.append(_checked(item, facts_of, schema, config))
        except InputError as error:
            problems[item.pair.key] = str(error)
    if not usable:
        raise DatasetError("\n".join([*problems.values(), "No slide is left to be packed."]))
    check_names(item.pair.key for item in usable)
    weight_of = {item.pair.key: _weight(item, config) for item in usable}
    part_of = parts_of({key: facts_of[key] for key in weight_of}, config, weight_of)
    jobs = tuple(
        SlideJob(
            pair=item.pair,
            part=part_of[item.pair.key],
            group=facts_of[item.pair.key].group,
            mpp=item.mpp,
            size=item.size or (0, 0),
            first=first,
            stop=min(first + _WINDOWS, windows),
            stamps=stamps(item.pair.slide, item.pair.annotations),
        )
        for item in usable
        for windows in [_windows(item, config)]
        for first in range(0, windows, _WINDOWS)
    )
    plan = Plan(
        jobs=tuple(sorted(jobs, key=lambda job: PARTS.index(job.part))),
        mpp=common_mpp(jobs, config),
    )
    return SlidePlan(plan=plan, problems=problems)


def blank_class(schema: LabelSchema, config: PackConfig) -> int:
    """The class index of what no annotation covers."""
    if config.unannotated is None or config.unannotated.casefold() == IGNORED:
        if schema.ignore is None:
            raise ConfigError(
                f"Schema {schema.name} ignores nothing, so what no annotation covers needs a "
                "class: name it with --unannotated, or add ignore = 255 to the schema."
            )
        return schema.ignore
    index = class_named(config.unannotated, schema)
    if index is None:
        raise LabelError(
            f"--unannotated {config.unannotated} is no class of schema {schema.name}. It has "
            f"{', '.join(item.name for item in schema.classes)}; or say ignore."
        )
    return index


def step_of(mpp: float | None, config: PackConfig) -> float:
    """How many pixels of a slide a pixel of its tiles is wide."""
    return 1.0 if config.mpp is None or mpp is None else config.mpp / mpp


def window_starts(
    size: tuple[int, int], mpp: float | None, config: PackConfig, name: str
) -> tuple[range, range]:
    """Where rows and columns of windows begin, in pixels of tiles.

    Raises DatasetError, calling the slide `name`, if none fits.
    """
    step = step_of(mpp, config)
    # A side that is a whole number of pixels but for rounding is one.
    height, width = (math.floor(side / step + 1e-6) for side in size)
    at = f"{name}{f', at {config.mpp} microns per pixel,' if config.mpp else ''}"
    return grid_starts((height, width), config.tile_size or 1, at, config.overlap)


def _windows(item: SlideSummary, config: PackConfig) -> int:
    name = str(item.pair.slide)
    rows, columns = window_starts(item.size or (0, 0), item.mpp, config, name)
    return len(rows) * len(columns)


def _facts_of(keys: Sequence[str], config: PackConfig) -> dict[str, TileFacts]:
    """What is known of each slide. Without a CSV each is a group of its own."""
    if config.groups is None:
        return {key: TileFacts(group=key) for key in keys}
    facts = read_tile_facts(config.groups, config.group_column)
    return match_facts(keys, facts, config.groups)


def _checked(
    item: SlideSummary, facts_of: Mapping[str, TileFacts], schema: LabelSchema, config: PackConfig
) -> SlideSummary:
    """The slide with its resolution as it is to be taken; InputError if it cannot be packed."""
    if item.problem is not None:
        raise DatasetError(item.problem)
    if item.pair.key not in facts_of:
        raise DatasetError(f"{config.groups} says nothing of {item.pair.slide.name}. Add a line.")
    classes_of(item.counts, schema, str(item.pair.annotations))
    mpp = facts_of[item.pair.key].mpp or item.mpp or config.source_mpp
    if mpp is None and config.mpp is not None:
        raise DatasetError(
            f"{item.pair.slide} does not say its microns per pixel, which --mpp needs. Say them "
            "with --source-mpp, for all slides that do not, or in a column mpp of the CSV of "
            "--groups."
        )
    found = replace(item, mpp=mpp)
    _windows(found, config)
    return found


def _weight(item: SlideSummary, config: PackConfig) -> int:
    """About how many tiles a slide gives: by its annotated area, or all of it."""
    side = (config.tile_size or 1) * step_of(item.mpp, config)
    height, width = item.size or (0, 0)
    annotated = sum(area for name, area in item.areas.items() if name is not None)
    ignores = config.unannotated is None or config.unannotated.casefold() == IGNORED
    return max(math.ceil((annotated if ignores else height * width) / side**2), 1)
