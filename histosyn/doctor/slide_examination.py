"""Examining slides and their annotations: what is wrong with them, and a schema for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from histosyn.annotations.painting import class_for, classes_of
from histosyn.doctor.annotation_proposal import propose_for_annotations
from histosyn.doctor.diagnosis import Diagnosis
from histosyn.doctor.finding import KEPT_PLACES, Finding
from histosyn.labels.schema import LabelSchema
from histosyn.slides.pairs import pair_slides
from histosyn.slides.summary import SlideSummary, summarize_slide
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from hpc.errors import LabelError
from hpc.parallel import map_in_order

Track = Callable[[Iterator[SlideSummary], int], Iterable[SlideSummary]]
_IGNORED = "ignore"
# Scanners of one magnification differ by so much.
_SAME_MPP = 1.05


def examine_slides(
    slides: Path,
    annotations: Path,
    schema: LabelSchema | None = None,
    unannotated: str | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    track: Track = lambda summaries, total: summaries,
    processes: int | None = None,
) -> Diagnosis:
    """Open every slide, read all annotations, and say what is wrong with them.

    Without a schema, one is proposed from the names and colours of the annotations' classes.
    `groups` is a CSV with the columns `tile`, for the slide, and `group_column`. Raises InputError
    or DatasetError if a folder is missing or two files have the same name, and if the CSV is
    missing or contradicts itself.
    """
    pairing = pair_slides(slides, annotations)
    keys = [pair.key for pair in pairing.pairs]
    facts = None if groups is None else match_facts(
        keys, read_tile_facts(groups, group_column), groups
    )  # fmt: skip
    known = {key for key, item in (facts or {}).items() if item.mpp is not None}
    looks = map_in_order(summarize_slide, pairing.pairs, processes, batch=1)
    summaries = list(track(looks, len(pairing.pairs)))
    proposal = None
    if schema is None:
        outside = None if unannotated in (None, _IGNORED) else unannotated
        proposal = propose_for_annotations(summaries, outside)
        schema = None if proposal is None else proposal.schema
    findings = [
        _finding("error", "slides without annotations of the same name",
                 "Export their annotations from QuPath as NAME.geojson, or leave the slides out.",
                 [path.name for path in pairing.slides_without_annotations]),
        _finding("error", "annotations without a slide of the same name",
                 "Add the slides, or leave the annotations out.",
                 [path.name for path in pairing.annotations_without_slide]),
        _finding("error", "slides or annotations that cannot be used",
                 "Mend or remove each: what is named is left out, the others are packed.",
                 [item.problem for item in summaries if item.problem is not None]),
        _finding("error", "annotations of classes that the schema does not have",
                 "Add the classes to the schema, or reclassify the annotations in QuPath.",
                 _unknown(summaries, schema)),
        _finding("warning", "slides that do not say their microns per pixel",
                 "Say them with --source-mpp or a column mpp of the CSV when you pack with --mpp.",
                 [item.pair.slide.name for item in summaries
                  if item.problem is None and item.mpp is None and item.pair.key not in known]),
        _finding("error", "slides of which the CSV says nothing",
                 "Add a line for each: it is left out when you pack.",
                 [pair.slide.name for pair in pairing.pairs
                  if facts is not None and pair.key not in facts]),
        _finding("warning", "slides of several resolutions",
                 "Bring all to one with --mpp when you pack.", _resolutions(summaries)),
        _finding("warning", "annotations that are taken as they are not quite",
                 "See that this is meant.",
                 [note for item in summaries for note in item.notes]),
        _finding("warning", "annotations without a class, which are not painted",
                 "Classify them in QuPath, or leave them: what lies below them counts.",
                 [f"{item.pair.annotations.name}: {item.counts[None]}"
                  for item in summaries if item.counts[None]]),
    ]  # fmt: skip
    pixels, holders = _per_class(summaries, schema)
    return Diagnosis(
        schema=schema,
        proposal=proposal,
        pairs=len(pairing.pairs),
        findings=tuple(item for item in findings if item is not None),
        class_pixels=pixels,
        class_tiles=holders,
        tile_sizes=Counter(item.size for item in summaries if item.size is not None),
        slides=True,
    )


def _finding(
    severity: Literal["error", "warning"], what: str, remedy: str, places: Sequence[str]
) -> Finding | None:
    if not places:
        return None
    return Finding(
        severity=severity,
        what=what,
        where=tuple(places[:KEPT_PLACES]),
        remedy=remedy,
        count=len(places),
        files=(),
    )


def _unknown(summaries: Iterable[SlideSummary], schema: LabelSchema | None) -> list[str]:
    if schema is None:
        return []
    found = []
    for item in summaries:
        try:
            classes_of(item.counts, schema, item.pair.annotations.name)
        except LabelError as error:
            found.append(str(error))
    return found


def _resolutions(summaries: Iterable[SlideSummary]) -> list[str]:
    known = {item.mpp: item.pair.slide.name for item in summaries if item.mpp is not None}
    if not known or max(known) <= _SAME_MPP * min(known):
        return []
    return [f"{known[mpp]}: {mpp:.4g} µm per pixel" for mpp in (min(known), max(known))]


def _per_class(
    summaries: Iterable[SlideSummary], schema: LabelSchema | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pixels of annotations, and slides that have any, for each class of the schema."""
    if schema is None:
        return (), ()
    pixels, holders = [0.0] * len(schema), [0] * len(schema)
    for item in summaries:
        seen = set()
        for name, area in item.areas.items():
            try:
                index = class_for(name, schema)
            except LookupError:
                continue
            if index is not None and index < len(schema):
                pixels[index] += area
                seen.add(index)
        for index in seen:
            holders[index] += 1
    return tuple(round(area) for area in pixels), tuple(holders)
