"""Examining a data set: one pass over its files, then what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from histosyn.doctor.dataset_summary import DatasetSummary
from histosyn.doctor.finding import Finding
from histosyn.doctor.naming_hints import naming_hint
from histosyn.doctor.pair_checks import PAIR_CHECKS
from histosyn.doctor.pair_summary import PairSummary, summarize_pair
from histosyn.doctor.proposal import Proposal, propose_for_objects, proposed
from histosyn.doctor.set_checks import SET_CHECKS
from histosyn.labels.instances import NO_OBJECTS, class_for_objects
from histosyn.labels.schema import LabelSchema
from histosyn.labels.unlabelled import ignoring
from histosyn.sources.known_by_names import known_by_names
from histosyn.sources.pairs import Naming, Pairing, pair_folders
from histosyn.sources.tile_facts import TileFacts, match_facts, read_tile_facts
from hpc.errors import DatasetError
from hpc.parallel import map_in_order

Track = Callable[[Iterator[PairSummary], int], Iterable[PairSummary]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set lies and how its files are named.

    `groups` is a CSV with the columns `tile` and `group_column`, perhaps `split` and `mpp`.
    `objects_are` is the class that the numbers of label maps become where they number objects, or
    "none" where they don't although it looks so. `unlabelled` is the value of index files that
    stands for no label, `base_mpp` the resolution of slides whose regions QuPath exported.
    """

    tiles: Path
    labels: Path
    naming: Naming = field(default_factory=Naming)
    groups: Path | None = None
    group_column: str = "patient"
    objects_are: str | None = None
    unlabelled: int | None = None
    base_mpp: float | None = None

    @property
    def folds_objects(self) -> bool:
        """Whether label maps number objects, all of one class."""
        return self.objects_are not in (None, NO_OBJECTS)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found, errors first, and what the data set holds.

    `class_pixels` and `class_tiles` (K,) count pixels of each class and tiles that have any,
    `unknown_pixels` what is of no class in label maps that can be read; `tile_sizes` counts tiles
    by (H, W). `schema` is None if none was given and no label map could be read to propose one.
    `assumed` are sentences on what nobody said, and names or files told. Of `slides` the pixels are
    those of annotations, one over the other, and tiles are slides.
    """

    schema: LabelSchema | None
    pairs: int
    findings: tuple[Finding, ...]
    proposal: Proposal | None = None
    class_pixels: tuple[int, ...] = ()
    class_tiles: tuple[int, ...] = ()
    ignored_pixels: int = 0
    unknown_pixels: int = 0
    tile_sizes: dict[tuple[int, ...], int] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    slides: bool = False

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that have to be dealt with before training."""
        return tuple(item for item in self.findings if item.severity == "error")

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        names = [] if self.schema is None else [item.name for item in self.schema.classes]
        return {
            "schema": None if self.schema is None else self.schema.as_dict(),
            "proposal": None if self.proposal is None else {"notes": list(self.proposal.notes)},
            "pairs": self.pairs,
            "assumed": list(self.assumed),
            "ready": not self.errors,
            "findings": [asdict(item) for item in self.findings],
            "class_pixels": dict(zip(names, self.class_pixels, strict=True)),
            "class_tiles": dict(zip(names, self.class_tiles, strict=True)),
            "ignored_pixels": self.ignored_pixels,
            "unknown_pixels": self.unknown_pixels,
            "tile_sizes": [
                {"height": height, "width": width, "tiles": count}
                for (height, width), count in self.tile_sizes.items()
            ],
        }


def examine(
    source: Source,
    schema: LabelSchema | None = None,
    track: Track = lambda summaries, total: summaries,
    processes: int | None = None,
) -> Diagnosis:
    """Read every pair of a data set once, on all cores, and say what is wrong with them.

    Without a schema, one is proposed from the label maps and they are judged by it. `track` is
    given the summaries and their number, to show progress. Raises InputError or DatasetError if a
    folder is missing, empty or cannot be searched, if two of its files have the same name, and if
    the CSV is missing or contradicts itself.
    """
    pairing = pair_folders(source.tiles, source.labels, source.naming)
    facts = _facts_of(source, pairing)
    assumed, left_open = _told_by_names(source, pairing)
    proposal = None
    if schema is not None and source.unlabelled is not None:
        schema = ignoring(schema, source.unlabelled)
    if source.folds_objects and schema is None:
        proposal = propose_for_objects(str(source.objects_are))
        schema = proposal.schema
    if source.folds_objects and schema is not None:
        class_for_objects(str(source.objects_are), schema)
    summary = partial(summarize_pair, schema=schema, objects=source.objects_are)
    pass_over = map_in_order(summary, pairing.pairs, processes)
    summaries: Iterable[PairSummary] = track(pass_over, len(pairing.pairs))
    if schema is None:
        summaries = list(summaries)
        values = [item.label.pixel_values for item in summaries]
        proposal = proposed([item for item in values if item is not None], source.unlabelled)
        if proposal is not None:
            schema = proposal.schema
            summaries = (summary.under(proposal.schema) for summary in summaries)
    hint = naming_hint(pairing, source.tiles, source.labels)
    dataset = DatasetSummary(
        schema=schema,
        proposed=proposal is not None,
        pairing=pairing,
        facts=facts,
        naming_hint=hint,
    )
    _ask(dataset, summaries)
    diagnosis = _diagnosis(dataset, proposal)
    return replace(diagnosis, assumed=assumed, findings=(*left_open, *diagnosis.findings))


def _told_by_names(source: Source, pairing: Pairing) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """What is assumed of names as QuPath gives them, or the finding that they leave it open."""
    assumed = tuple(filter(None, [pairing.assumed]))
    if source.groups is not None:
        return assumed, ()
    try:
        tile_of = {pair.key: pair.tile for pair in pairing.pairs}
        return (*assumed, *known_by_names(tile_of, source.base_mpp, None).assumed), ()
    except DatasetError as error:
        return assumed, (
            Finding(
                severity="error",
                what="exports of several downsamples, of unknown resolution",
                where=(str(error),),
                remedy="Pass --base-mpp, or pack them one after the other.",
                count=1,
                files=(),
            ),
        )


def _facts_of(source: Source, pairing: Pairing) -> dict[str, TileFacts] | None:
    if source.groups is None:
        return None
    facts = read_tile_facts(source.groups, source.group_column, source.naming.tile.words)
    keys = [pair.key for pair in pairing.pairs]
    return match_facts(keys, facts, source.groups) if keys else {}


def _ask(dataset: DatasetSummary, summaries: Iterable[PairSummary]) -> None:
    for summary in summaries:
        dataset.count(summary)
        for check in PAIR_CHECKS:
            dataset.note(check, check.places(summary, dataset))
    for check in SET_CHECKS:
        dataset.note(check, check.places(dataset))


def _diagnosis(dataset: DatasetSummary, proposal: Proposal | None) -> Diagnosis:
    classes = 0 if dataset.schema is None else len(dataset.schema)
    findings = dataset.findings.values()
    return Diagnosis(
        schema=dataset.schema,
        proposal=proposal,
        pairs=len(dataset.pairing.pairs),
        findings=tuple(sorted(findings, key=lambda item: (item.severity, -item.count))),
        class_pixels=tuple(int(count) for count in dataset.class_pixels[:classes]),
        class_tiles=tuple(int(count) for count in dataset.class_tiles[:classes]),
        ignored_pixels=int(dataset.class_pixels[classes:].sum()),
        unknown_pixels=dataset.unknown_pixels,
        tile_sizes=dict(dataset.tile_sizes.most_common()),
    )
