"""The plan of synthesizing a folder: which tiles, how each is made, which exist already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from histosyn.images.resampling import resampled_size
from histosyn.images.resolution import resolution_of
from histosyn.models.fixed_size import Size, sizes_that_matter
from histosyn.models.folder import Model
from histosyn.sources.naming import composed
from histosyn.sources.pairs import images_by_key
from histosyn.synthesis.from_manifest import repeated_records
from histosyn.synthesis.label_fields import DRAWINGS, label_source
from histosyn.synthesis.provenance import (
    Record,
    as_made,
    entry_of,
    mark_of,
    same_but_for_version,
)
from histosyn.synthesis.reroll_choice import RerollChoice
from histosyn.synthesis.resolution import SaidResolution, resampling, resolutions_of
from histosyn.synthesis.selection import Selection
from histosyn.synthesis.slide_config import SlideConfig
from histosyn.synthesis.stain_choice import StainChoice
from hpc.errors import InputError
from hpc.files import sha256_of_bytes, sha256_of_file
from hpc.job_array import WHOLE, Part
from hpc.log import logger
from hpc.paths import as_path
from hpc.randomness import key_of
from hpc.topology import Topology


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """How a folder is synthesized; `overwrite` replaces tiles of another seed or model.

    Of several processes that know nothing of each other, such as the tasks of a job array, each
    makes its `part`.
    """

    seed: int = 0
    variants: int = 1
    overwrite: bool = False
    part: Part = WHOLE
    resolution: SaidResolution = field(default_factory=SaidResolution)
    stain: StainChoice = field(default_factory=StainChoice)
    # Whether outputs are PNG or pyramids, and how much memory making them may take.
    output: SlideConfig = field(default_factory=SlideConfig)
    # The manifest of tiles that are to be made again: it has seeds and variants of its own.
    like: Path | None = None
    # The label maps are edited ones of these tiles.
    edited: bool = False
    # Parts that get noise of their own.
    reroll: RerollChoice | None = None
    # Tiles are tried until a segmenter reads what was asked for.
    selection: Selection | None = None

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise InputError(f"variants = {self.variants} must be at least 1.")
        if self.edited and self.like is None:
            raise InputError("--edited is for --like: name the manifest of the tiles before.")
        if self.reroll is not None and (self.like is not None or self.output.output == "tiff"):
            raise InputError("--reroll is for tiles of a seed: leave out --like and --output tiff.")
        if self.selection is not None and (self.like is not None or self.reroll is not None):
            raise InputError(
                "--keep-if-read is for tiles that are made for the first time: leave out --like "
                "and --reroll. Tiles of a manifest are made as it says, selected ones too."
            )
        if self.like is None:
            return
        object.__setattr__(self, "like", as_path(self.like, "like"))
        if (self.seed, self.variants) != (0, 1):
            raise InputError(
                f"{self.like} has seeds and variants of its own. Leave out --seed and --variants."
            )
        if self.stain.given:
            raise InputError(
                f"{self.like} says in which stain each tile was made. Leave out --stain and "
                "--stain-group."
            )
        if self.resolution.given:
            raise InputError(
                f"{self.like} says how each label map was resampled. Leave out "
                f"{' and '.join(self.resolution.given)}."
            )

    def work(self, model: Model, labels: Path) -> str:
        """The same for processes that may make parts of one folder together."""
        like = None if self.like is None else sha256_of_file(self.like)
        facts = [
            self.seed, self.variants, self.overwrite, self.part.count, repr(self.resolution),
            repr(self.stain), *self.output.identity,
        ]  # fmt: skip
        identity = [*facts, like, model.sha256, model.precision, str(labels.resolve())]
        identity += [self.edited, repr(self.reroll), repr(self.selection)]
        return sha256_of_bytes(json.dumps(identity).encode())


@dataclass(frozen=True, kw_only=True)
class Job:
    """One tile to make: `key` names the label map, `record` says how, but for what is read of it.

    `again` is the manifest if the very same tile is to be made once more. `mpp_is_said` if the user
    told the label map's resolution.
    """

    key: str
    label: Path
    record: Record
    again: Path | None = None
    mpp_is_said: bool = False
    # What it looked like before, to be compared with.
    before: Path | None = None
    reroll: RerollChoice | None = None
    selection: Selection | None = None

    @property
    def is_slide(self) -> bool:
        """Whether it becomes a pyramid."""
        return self.record.codec is not None


@dataclass(frozen=True, kw_only=True)
class TileState:
    """What is at the place of a tile: nothing (or an altered output), this very tile, another one
    of ours, or a file that isn't ours and that nothing may replace.

    `entry` is the line of the manifest for a tile that is done.
    """

    state: Literal["missing", "done", "mismatched", "foreign"]
    entry: dict[str, Any] | None = None


_MISSING = TileState(state="missing")


def planned_jobs(
    model: Model, labels: Path, config: SynthesisConfig, topology: Topology
) -> list[Job]:
    """The tiles that `labels` is to become, in a fixed order; this rank's of the config's part.

    Of slides, which come last, all: each rank makes pieces of them.

    Raises InputError if there are none, two of one name, or a manifest that does not fit.
    """
    if config.like is not None:
        repeated = _repeated(model, labels, config.like, edited=config.edited)
        slides = [job for job in repeated if job.is_slide]
        tiles = [job for job in repeated if not job.is_slide]
        return _mine(tiles, config.part, topology) + slides
    jobs = _jobs(model, labels, config)
    slides = [job for job in jobs if job.is_slide]
    tiles = _mine([job for job in jobs if not job.is_slide], config.part, topology)
    return [_by_its_tag(job, model.facts.mpp) for job in tiles + slides]


def _mine(jobs: list[Job], part: Part, topology: Topology) -> list[Job]:
    """A share of the tiles; of a slide each makes some pieces."""
    share = part.share(len(jobs))
    return jobs[share.start : share.stop][topology.rank :: topology.world_size]


def _by_its_tag(job: Job, model_mpp: float | None) -> Job:
    """A job whose label map nobody has said the resolution of may be told it by the file."""
    if job.mpp_is_said or model_mpp is None:
        return job
    if job.record.drawn is not None:
        return job
    resampled = resampling(resolution_of(job.label), model_mpp)
    return replace(job, record=replace(job.record, resampled=resampled))


def sizes_to_make(jobs: Iterable[Job], model: Model) -> dict[str, Size]:
    """The sizes that a model that can make only one is asked for, by label map."""
    sizes: dict[str, Size] = {}
    for job in {job.label: job for job in jobs}.values():
        found = sizes_that_matter([job.label], model.facts.generator)
        scale = job.record.resampled.scale if job.record.resampled else 1.0
        sizes |= {name: resampled_size(size, scale) for name, size in found.items()}
    return sizes


def tile_state(path: Path, job: Job, manifest: Mapping[str, dict[str, Any]]) -> TileState:
    """What is at `path`, where the tile of a job goes; its file is read once."""
    data: bytes | Path = path
    try:
        if job.is_slide:
            sha256 = sha256_of_file(path)
        else:
            data = path.read_bytes()
            sha256 = sha256_of_bytes(data)
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    known = manifest.get(job.record.file, {}).get("output_sha256")
    if known is not None and known != sha256:
        logger.warning("%s was altered since it was made; it is made again.", path)
        return _MISSING
    found = mark_of(data)
    if found is None:
        return TileState(state="foreign")
    record = job.record
    if job.again is None:
        try:
            record = replace(record, label_sha256=sha256_of_file(job.label))
        except OSError:
            return _MISSING  # to be told when it is read to be made
    if same_but_for_version(found, record):
        return TileState(state="done", entry=entry_of(as_made(record, found), sha256))
    return TileState(state="mismatched")


def _jobs(model: Model, labels: Path, config: SynthesisConfig) -> list[Job]:
    label_maps = images_by_key(labels, "folder of label maps", also=DRAWINGS)
    mpp_of = _resolutions(label_maps, model, config)
    stain_of = config.stain.of(model)
    jobs: dict[str, Job] = {}
    for key, path in label_maps.items():
        source = label_source(path, resampling(mpp_of.get(key), model.facts.mpp), config.output)
        is_slide = config.output.is_slide(source.size)
        for variant in range(1, config.variants + 1):
            number = "" if config.variants == 1 else f".v{variant}"
            output = f"{key}{number}{'.tif' if is_slide else '.png'}"
            if output in jobs:
                raise InputError(
                    f"{path} and {jobs[output].label} would both become {output}. Rename one."
                )
            record = Record(
                file=output,
                label=path.relative_to(labels).as_posix(),
                label_sha256="",
                seed=config.seed,
                variant=variant,
                model_sha256=model.sha256,
                resampled=source.resampled,
                precision=model.precision,
                stain=stain_of(key_of(config.seed, "stain", key, variant), key),
                codec=config.output.codec if is_slide else None,
                drawn=source.drawn,
                selected=None if config.selection is None else config.selection.asked,
            )
            if is_slide and config.selection is not None:
                raise InputError(
                    f"{path} is to become a pyramid, which --keep-if-read does not select. Leave "
                    "it out, or cut it into tiles."
                )
            jobs[output] = Job(
                key=key,
                label=path,
                record=record,
                mpp_is_said=key in mpp_of,
                reroll=config.reroll,
                selection=config.selection,
            )
    return list(jobs.values())


def _resolutions(
    label_maps: Mapping[str, Path], model: Model, config: SynthesisConfig
) -> dict[str, float]:
    said = config.resolution
    if model.facts.mpp is None:
        if said.given:
            raise InputError(
                f"{' and '.join(said.given)} cannot be used: this model does not know at how many "
                "microns per pixel its training tiles were (pack them with --source-mpp)."
            )
        return {}
    return resolutions_of(label_maps, said)


def _repeated(model: Model, labels: Path, like: Path, *, edited: bool) -> list[Job]:
    records = repeated_records(like, labels, model.sha256, edited=edited)
    others = {record.precision for record in records.values()} - {model.precision}
    if others:
        raise InputError(
            f"{like}: tiles were made in {others.pop()}, not {model.precision}. Pass --precision."
        )
    return [
        Job(
            key=composed(Path(record.label).with_suffix("").as_posix()),
            label=labels / record.label,
            record=record,
            again=like,
            before=like.parent / record.file if edited else None,
        )
        for record in records.values()
    ]
