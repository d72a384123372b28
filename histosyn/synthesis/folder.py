"""Synthesis of folders: each label map becomes a tile, whatever else is in the folder.

Each image goes through the network alone, and every output carries a record of how it was made, so
a second run knows what is already there. One process writes into a folder at a time, or the parts
of one work do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from histosyn.images.tiles import read_tile
from histosyn.labels.instances import warn_of_objects
from histosyn.manifests.manifest import Entries, out_lock, read_manifest, write_manifest
from histosyn.models.fixed_size import require_sizes
from histosyn.models.folder import Model
from histosyn.synthesis.blank_tiles import blank_fault, warn_of_blank_tiles
from histosyn.synthesis.changes import write_change
from histosyn.synthesis.job_tile import MadeTile, made_tile, with_areas, without_rerolls
from histosyn.synthesis.plan import (
    Job,
    SynthesisConfig,
    planned_jobs,
    sizes_to_make,
    tile_state,
)
from histosyn.synthesis.provenance import entry_of, tile_png_bytes
from histosyn.synthesis.rerolls import areas_png_bytes
from histosyn.synthesis.scale_checks import report_scale
from histosyn.synthesis.selection import tries_text
from histosyn.synthesis.slide_folder import Piece, opened_slides, problem_of
from histosyn.synthesis.tile import synthesize, synthesize_painted
from hpc import collectives
from hpc.errors import InputError
from hpc.files import sha256_of_bytes, write_bytes
from hpc.job_array import WHOLE
from hpc.paths import as_path
from hpc.temporary_names import remove_leftovers
from hpc.topology import Topology

__all__ = [
    "Outcome",
    "SynthesisConfig",
    "synthesize",
    "synthesize_folder",
    "synthesize_painted",
]


# Is handed what is to be made, tiles and pieces of slides, and gives it back as it is made.
Track = Callable[[Sequence[Job | Piece]], Iterator[Job | Piece]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did: outputs made, outputs that were there already, label maps that failed.

    `failed` maps label maps to what is wrong with them, `blank` outputs that were made to why they
    show nothing (see `histosyn.synthesis.blank_tiles`); the same on every rank.
    """

    made: tuple[str, ...]
    present: tuple[str, ...]
    failed: dict[str, str]
    blank: dict[str, str]
    # What was tried and kept, where tiles were selected.
    selected: str | None = None


def synthesize_folder(
    model: Model,
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: SynthesisConfig | None = None,
    topology: Topology | None = None,
    track: Track = iter,
) -> Outcome:
    """Make the tiles of all label maps below `labels` that `out` lacks; ranks share the work.

    `config` tells the seed, the number of variants, the label maps' microns per pixel and which
    become slides; `track` is handed what is to be made and gives it back, to show progress. A label
    map that cannot be read is reported in the outcome, the others are done.

    Raises InputError, before anything is made, if `labels` holds none or some of a size that the
    model cannot make, lies over `out`, `out` holds tiles of another seed, model, label map or
    resolution, or another process writes into it. Raises FullDiskError if there is no room; what is
    made stays, and the same call goes on.
    """
    config, topology = config or SynthesisConfig(), topology or Topology()
    labels, out = as_path(labels, "folder of label maps"), as_path(out, "OUT")
    _keep_apart(labels, out)
    jobs = planned_jobs(model, labels, config, topology)
    if config.reroll is not None:
        jobs = [with_areas(job, model) for job in jobs]
    if topology.is_first:
        warn_of_objects(
            sorted({job.label for job in jobs if not (job.is_slide or job.record.drawn)}),
            model.facts.schema,
        )
    with ExitStack() as held:
        manifest = collectives.run_on_rank_0(lambda: _claim(out, model, labels, config, held))
        require_sizes(_merged(sizes_to_make(jobs, model)), model.facts.generator)
        mine = jobs if topology.is_first else [job for job in jobs if not job.is_slide]
        present = _merged(_present(out, mine, manifest, config.overwrite))
        missing = [job for job in jobs if job.record.file not in present]
        tiles = [job for job in missing if not job.is_slide]
        if topology.is_first and tiles:
            report_scale(model, tiles)
        slides = opened_slides(model, [job for job in missing if job.is_slide], out, config)
        units: list[Job | Piece] = [*tiles, *slides.units(config.part)]
        parts = _make(model, out, units, config.output.memory_gib, track)
        made, failed, blank = (_merged(part) for part in parts)
        finished = slides.finished(failed, config.part)
        made, failed = made | finished.made, slides.failed | failed | finished.failed
        entries = present | made
        if topology.is_first:
            warn_of_blank_tiles(out, blank, len(made))
            write_manifest(out, entries, config.part)
        return Outcome(
            made=tuple(sorted(made)),
            present=tuple(sorted(present)),
            failed=failed,
            blank=blank,
            selected=None if config.selection is None else tries_text(list(entries.values())),
        )


def _keep_apart(labels: Path, out: Path) -> None:
    """Tiles must neither replace label maps nor be taken for such the next time."""
    if out.resolve().is_relative_to(labels.resolve()):
        raise InputError(
            f"{out} lies in the folder of label maps, {labels}. Choose an OUT folder beside it."
        )


def _claim(
    out: Path, model: Model, labels: Path, config: SynthesisConfig, held: ExitStack
) -> Entries:
    """Keep others out for as long as `held` holds, and tidy; what the manifests tell of `out`."""
    whole = config.part == WHOLE
    work, share = ("", "") if whole else (config.work(model, labels), str(config.part))
    held.enter_context(out_lock(out, work=work, share=share))
    remove_leftovers(out, below=True)
    return read_manifest(out)


def _present(out: Path, jobs: list[Job], manifest: Entries, overwrite: bool) -> Entries:
    """The entries of the tiles that are done. Raises if a rank found what must not be replaced."""
    found = {job.record.file: tile_state(out / job.record.file, job, manifest) for job in jobs}
    states = _merged({name: each.state for name, each in found.items()})
    _refuse(out, states, "foreign", "was not made by histosyn. Choose another OUT folder.")
    if not overwrite:
        _refuse(
            out, states, "mismatched", "was not made from this label map with this model, seed and "
            "resolution. Choose another OUT folder, or pass --overwrite to replace.",
        )  # fmt: skip
    return {name: each.entry for name, each in found.items() if each.entry is not None}


def _refuse(out: Path, states: dict[str, str], kind: str, why: str) -> None:
    found = sorted(name for name, state in states.items() if state == kind)
    if found:
        raise InputError(f"{out / found[0]} ({len(found)} such files) {why}")


def _make(
    model: Model,
    out: Path,
    units: Sequence[Job | Piece],
    memory_gib: float,
    track: Track,
) -> tuple[Entries, dict[str, str], dict[str, str]]:
    """Write tiles, and pieces of slides: entries of made tiles, what failed, and what is blank."""
    made: Entries = {}
    failed: dict[str, str] = {}
    blank: dict[str, str] = {}
    for unit in track(units):
        if not isinstance(unit, Piece):
            path = out / unit.record.file
            problem = problem_of(partial(_note, model, path, unit, memory_gib, made, blank), path)
        elif str(unit.label) not in failed:
            problem = problem_of(unit.make, unit.work.path)
        if problem is not None:
            failed[str(unit.label)] = problem
    return made, failed, blank


def _note(
    model: Model, path: Path, job: Job, memory_gib: float, made: Entries, blank: dict[str, str]
) -> None:
    made[job.record.file], fault = _made(model, path, job, memory_gib)
    if fault is not None:
        blank[job.record.file] = fault


def _made(
    model: Model, path: Path, job: Job, memory_gib: float
) -> tuple[dict[str, Any], str | None]:
    """Make one tile and write it; its entry, and why it shows nothing, if so."""
    made = made_tile(model, job, memory_gib)
    change = _change(model, path, job, made, memory_gib)
    if job.reroll is not None and made.rerolls is not None and made.record.rerolled is not None:
        out = path.parents[len(Path(job.record.file).parts) - 1]
        write_bytes(out / made.record.rerolled.areas, areas_png_bytes(made.rerolls))
    data = tile_png_bytes(made.pixels, made.record)
    write_bytes(path, data)
    entry = entry_of(made.record, sha256_of_bytes(data)) | change
    return entry, blank_fault(made.pixels, made.labels_HW)


def _change(
    model: Model, path: Path, job: Job, made: MadeTile, memory_gib: float
) -> dict[str, float]:
    """What an edit has changed, for the manifest; a picture of it lies beside the folder."""
    if job.before is not None:
        before = read_tile(job.before)
    elif job.reroll is not None:
        before = made_tile(model, without_rerolls(job), memory_gib).pixels
    else:
        return {}
    out = path.parents[len(Path(job.record.file).parts) - 1]
    picture = out.with_name(f"{out.name}-changes") / job.record.file
    return write_change(picture, before, made.pixels, job.record.file).as_dict()


def _merged(part: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for of_rank in collectives.gather_objects(part)
        for name, value in of_rank.items()
    }
