"""Packing: two folders in, WebDataset shards and `dataset.json` out, all of it or nothing.

One process reads, cuts and encodes pairs, or several do; this one writes what they give in the
order of the pairs, so their number changes nothing. After a kill the same command goes on after
the last finished shard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import groupby
from typing import IO, Any

from webdataset import TarWriter

from histosyn.doctor.proposal import Proposal
from histosyn.images.folder import unread_text
from histosyn.labels.label_map import LabelSchema
from histosyn.packing.config import PackConfig
from histosyn.packing.journal import JournalEntry, Progress, WorkFolder, locked_work_folder
from histosyn.packing.odd_size import odd_size
from histosyn.packing.plan import Plan, make_plan
from histosyn.packing.records import Described, record_shard
from histosyn.packing.samples import CutPair, Job, Sample, cut_pair
from histosyn.shards.index import DatasetIndex
from histosyn.shards.index_file import load_index, write_index
from hpc.errors import DatasetError, HistosynError
from hpc.files import atomic_file, refuse_address, write_text
from hpc.parallel import map_in_order
from hpc.paths import AnyPath, as_path

__all__ = ["SCHEMA_NAME", "PackConfig", "pack"]

# In OUT, the schema that packing proposed.
SCHEMA_NAME = "schema.toml"

logger = logging.getLogger("histosyn")

Track = Callable[[Iterable[CutPair], int], Iterable[CutPair]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A sample, its job, and how far packing is once the sample is in its shard."""

    sample: Sample
    job: Job
    after: Progress


def pack(
    tiles: AnyPath,
    labels: AnyPath,
    out: AnyPath,
    schema: LabelSchema,
    config: PackConfig,
    processes: int | None = None,
    track: Track = lambda pairs, total: pairs,
    proposal: Proposal | None = None,
) -> dict[str, DatasetIndex]:
    """Write `out/train` (and `out/val`, `out/test`) from pairs of tiles and label maps.

    `processes` are by default as many as there are cores. `track` is handed what the pairs gave,
    and their number, to show progress. A `proposal` is where the schema came from if nobody named
    it; if nobody made it before, `out/schema.toml` has it. Returns the index of each part. Raises
    DatasetError or LabelError for the first file that does not fit, HistosynError if nothing can be
    written; `out` does not exist then, and what is finished waits beside it for the next attempt.
    """
    tiles = as_path(tiles, "folder of tiles")
    labels = as_path(labels, "folder of label maps")
    out = as_path(out, "OUT")
    made_by = {
        "histosyn": version("histosyn"),
        "pillow": version("pillow"),
        "command": "pack",
        "schema_from": _origin(proposal),
        "config": config.as_dict(),
    }
    refuse_address(out, "OUT")
    with locked_work_folder(out) as work:
        plan = make_plan(tiles, labels, config)
        if plan.unread:
            logger.warning("%s", unread_text(plan.unread))
        digests = plan.digests()
        with _disk_errors(work):
            progress = work.resume(made_by | {"schema": schema.as_dict()}, digests)
            jobs = plan.jobs[progress.pair :]
            cut = partial(cut_pair, schema=schema, config=config)
            cut_pairs = map_in_order(cut, jobs, processes, batch=1)
            _write_shards(work, _steps(track(cut_pairs, len(jobs)), plan, progress, config), config)
            for part in plan.parts:
                _write_index(work, part, plan, progress, schema, made_by)
            if proposal is not None and not proposal.built_in:
                write_text(work.data / SCHEMA_NAME, proposal.toml("pack"))
            work.publish()
    return {part: load_index(out / part) for part in plan.parts}


def _origin(proposal: Proposal | None) -> str:
    """How the schema was found, for `dataset.json`."""
    if proposal is None:
        return "named"
    return "colours" if proposal.built_in else "proposed"


def _steps(
    cut_pairs: Iterable[CutPair], plan: Plan, progress: Progress, config: PackConfig
) -> Iterator[Step]:
    """All samples after `progress`, which moves along."""
    for cut in cut_pairs:
        job = plan.jobs[progress.pair]
        for sample in cut.samples[progress.taken :]:
            progress.tile_size = progress.tile_size or sample.size
            if sample.size != progress.tile_size:
                raise odd_size(progress.tile_size, sample.size, job, plan.jobs, config)
            progress.taken += 1
            progress.samples[job.part] += 1
            yield Step(sample=sample, job=job, after=progress.snapshot())
        progress.left_out[job.part] += cut.left_out
        progress.pair += 1
        progress.taken = 0


def _write_shards(work: WorkFolder, steps: Iterator[Step], config: PackConfig) -> None:
    def shard_of(step: Step) -> tuple[str, int]:
        part = step.job.part
        return part, (step.after.samples[part] - 1) // config.samples_per_shard

    for (part, number), members in groupby(steps, key=shard_of):
        described: dict[str, Described] = {}
        path = work.data / part / f"shard-{number:06d}.tar"
        with atomic_file(path) as file, _tar_writer(file) as writer:
            for step in members:
                sample, last = step.sample, step
                writer.write({"__key__": sample.key, **sample.members})
                described[sample.key] = Described(
                    group=step.job.group, class_pixels=sample.class_pixels
                )
        record = record_shard(path, described)
        work.append(JournalEntry(part=part, record=record, progress=last.after))


def _write_index(
    work: WorkFolder,
    part: str,
    plan: Plan,
    progress: Progress,
    schema: LabelSchema,
    made_by: dict[str, Any],
) -> None:
    left_out = progress.left_out[part]
    if not progress.samples[part] or progress.tile_size is None:
        raise DatasetError(
            f"None of the {left_out} crops for {part} has enough tissue. Lower --min-tissue."
        )
    write_index(
        work.data / part,
        schema=schema,
        tile_size=progress.tile_size,
        mpp=plan.mpp,
        records=work.records(part),
        made_by=made_by | {"crops_left_out": left_out},
    )


@contextmanager
def _tar_writer(file: IO[bytes]) -> Iterator[TarWriter]:
    """webdataset gets an open file: of a path it would make a URL, which can name a command.

    Fixed times and owners: the same input gives the same bytes.
    """
    with TarWriter(file, mtime=0, user="", group="", encoder=False) as writer:
        yield writer


@contextmanager
def _disk_errors(work: WorkFolder) -> Iterator[None]:
    """Whatever cannot be written is one sentence."""
    try:
        yield
    except OSError as error:
        raise HistosynError(
            f"{work.path} cannot be written ({error.strerror or error}). Free some space or "
            "correct the rights, and run the same command again: it goes on where it stopped."
        ) from error
