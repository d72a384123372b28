"""Packing slides: whole-slide images and their annotations in, shards out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from histosyn.doctor.annotation_proposal import propose_for_annotations
from histosyn.labels.schema import LabelSchema
from histosyn.packing.config import PackConfig
from histosyn.packing.journal import locked_work_folder
from histosyn.packing.pieces import write_pieces
from histosyn.packing.schema_choice import Settled
from histosyn.packing.slide_plan import SlidePlan, make_slide_plan
from histosyn.packing.slide_samples import cut_windows
from histosyn.packing.writing import Task, Track, disk_errors, made_by, write_data_set
from histosyn.shards.index import DatasetIndex
from histosyn.shards.index_file import load_index
from histosyn.slides.pairs import SlidePairing, pair_slides
from histosyn.slides.slide import versions
from histosyn.slides.summary import SlideSummary, summarize_slide
from hpc.errors import ConfigError, DatasetError, LabelError
from hpc.files import refuse_address
from hpc.job_array import Part
from hpc.parallel import map_in_order

TrackSlides = Callable[[Iterator[SlideSummary], int], Iterable[SlideSummary]]


@dataclass(frozen=True, kw_only=True)
class SlideFolders:
    """Slides and annotations as they were found, before anything is packed."""

    slides: Path
    annotations: Path
    pairing: SlidePairing
    summaries: tuple[SlideSummary, ...]

    @property
    def lonely(self) -> list[str]:
        """What has no partner, a sentence each."""
        return [
            *(
                f"{path} has no annotations: {self.annotations} holds no {path.stem}.geojson. "
                "Export them from QuPath, or leave the slide out."
                for path in self.pairing.slides_without_annotations
            ),
            *(
                f"{path} has no slide: {self.slides} holds none that is called {path.stem}. Add "
                "it, rename one of them, or leave the annotations out."
                for path in self.pairing.annotations_without_slide
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class PackedSlides:
    """What was packed: an index for each part of the split.

    Of one part of the work only, `made` and `present` count its pieces. `problems` say what was
    left out and why, a sentence each.
    """

    indexes: dict[str, DatasetIndex] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    made: int = 0
    present: int = 0


def look_at_slides(
    slides: Path,
    annotations: Path,
    processes: int | None = None,
    track: TrackSlides = lambda summaries, total: summaries,
) -> SlideFolders:
    """Open all slides and read all annotations; raises as `pair_slides`."""
    pairing = pair_slides(slides, annotations)
    looks = map_in_order(summarize_slide, pairing.pairs, processes, batch=1)
    summaries = tuple(track(looks, len(pairing.pairs)))
    return SlideFolders(
        slides=slides, annotations=annotations, pairing=pairing, summaries=summaries
    )


def settle_slide_schema(
    folders: SlideFolders, config: PackConfig, named: LabelSchema | None
) -> Settled:
    """The schema to pack slides by: `named`, or proposed from the annotations' classes.

    Raises LabelError if none can be proposed without doubts.
    """
    if named is not None:
        return Settled(schema=named)
    outside = config.unannotated
    proposal = propose_for_annotations(
        folders.summaries, None if outside in (None, "ignore") else outside
    )
    if proposal is None:
        problems = [item.problem for item in folders.summaries if item.problem is not None]
        raise LabelError(
            "\n".join([*folders.lonely, *problems])
            + f"\n{folders.annotations} holds no annotation of a class to propose a schema from."
        )
    if proposal.doubts:
        raise LabelError(f"No schema was named (--schema). {' '.join(proposal.doubts)}")
    return Settled(schema=proposal.schema, proposal=proposal)


def pack_slides(
    folders: SlideFolders,
    out: Path,
    settled: Settled,
    config: PackConfig,
    processes: int | None = None,
    track: Track = lambda cut, total: cut,
) -> PackedSlides:
    """Write `out/train` (and `out/val`, `out/test`) from windows of slides.

    What cannot be used is left out, and told: slides and annotations without the other, slides that
    cannot be opened, annotations that do not fit, windows that cannot be read. Raises InputError if
    nothing can be packed, HistosynError if nothing can be written.
    """
    refuse_address(out, "OUT")
    with locked_work_folder(out) as work:
        planned, task = _task(folders, settled, config)
        progress = write_data_set(work, task, processes, track)
    return PackedSlides(
        indexes={part: load_index(out / part) for part in task.plan.parts},
        problems=_problems(folders, planned, progress.unread),
    )


def pack_slides_part(
    folders: SlideFolders,
    out: Path,
    settled: Settled,
    config: PackConfig,
    part: Part,
    processes: int | None = None,
    track: Track = lambda cut, total: cut,
) -> PackedSlides:
    """Make one part of what `pack_slides`, called with the same, then has only to write."""
    refuse_address(out, "OUT")
    with locked_work_folder(out, part) as work, disk_errors(work):
        planned, task = _task(folders, settled, config)
        made = write_pieces(work.pieces, task.plan, task.settings, task.cut, part, processes, track)
    problems = _problems(folders, planned, made.unread)
    return PackedSlides(problems=problems, made=made.made, present=made.present)


def _task(folders: SlideFolders, settled: Settled, config: PackConfig) -> tuple[SlidePlan, Task]:
    _require_slide_settings(config)
    if not folders.summaries:
        raise DatasetError("\n".join([*folders.lonely, "No slide is left to be packed."]))
    schema = settled.schema
    planned = make_slide_plan(folders.summaries, schema, config)
    unusable = [item.pair.slide for item in folders.summaries if item.pair.key in planned.problems]
    lonely = folders.pairing.slides_without_annotations
    left_out = sorted(path.name for path in (*unusable, *lonely))
    task = Task(
        plan=planned.plan,
        cut=partial(cut_windows, schema=schema, config=config),
        schema=schema,
        config=config,
        made_by=made_by(config, settled.proposal)
        | versions()
        | ({"slides_left_out": left_out} if left_out else {}),
        nothing="has an annotation, or enough tissue. See that annotations have classes that are "
        "painted; lower --min-tissue.",
        proposal=settled.proposal,
    )
    return planned, task


def _require_slide_settings(config: PackConfig) -> None:
    if config.tile_size is None:
        raise ConfigError("Slides are cut into tiles: say how large with --tile-size, such as 512.")
    for option, given in (
        ("--objects-are", config.objects_are),
        ("--unlabelled", config.unlabelled),
        ("--base-mpp", config.base_mpp),
        ("--tile-suffix", config.naming.tile_suffix),
        ("--label-suffix", config.naming.label_suffix),
    ):
        if given is not None and given != "":
            raise ConfigError(f"{option} is for label maps, not for slides. Leave it out.")


def _problems(
    folders: SlideFolders, planned: SlidePlan, unread: dict[str, tuple[int, str]]
) -> tuple[str, ...]:
    return (*folders.lonely, *planned.problems.values(), *_unread_texts(unread))


def _unread_texts(unread: dict[str, tuple[int, str]]) -> Sequence[str]:
    return [
        why if count == 1 else f"{why} {count} of its tiles cannot be read; this is the first."
        for _, (count, why) in sorted(unread.items())
    ]
