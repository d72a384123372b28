"""Writing shards: what jobs give, in their order, into tars; then `dataset.json`, all or nothing.

One process reads, cuts and encodes, or several do; this one writes what they give in the order of
the jobs, so their number changes nothing. After a kill the same command goes on after the last
finished shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import IO, Any

from webdataset import TarWriter

from histosyn.doctor.proposal import Proposal
from histosyn.labels.label_map import LabelSchema
from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import AnyJob
from histosyn.packing.journal import JournalEntry, Progress, WorkFolder
from histosyn.packing.odd_size import odd_size
from histosyn.packing.pieces import cut_or_read
from histosyn.packing.plan import Plan
from histosyn.packing.records import Described, record_shard
from histosyn.packing.samples import CutPair, Sample
from histosyn.shards.index_file import write_index
from hpc.errors import DatasetError, HistosynError
from hpc.files import atomic_file, write_text

# In OUT, the schema that packing proposed.
SCHEMA_NAME = "schema.toml"

Track = Callable[[Iterable[CutPair], int], Iterable[CutPair]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is packed and how: `cut` makes the samples of a job, in another process perhaps.

    A `proposal` is where the schema came from if nobody named it. `made_by` goes into
    `dataset.json`; `nothing` says what to do where a part would be without samples.
    """

    plan: Plan
    cut: Callable[[Any], CutPair]
    schema: LabelSchema
    config: PackConfig
    made_by: dict[str, Any]
    nothing: str
    proposal: Proposal | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All but the jobs that decides what is written."""
        return self.made_by | {"schema": self.schema.as_dict()}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A sample, its job, and how far packing is once the sample is in its shard."""

    sample: Sample
    job: AnyJob
    after: Progress


def write_data_set(
    work: WorkFolder, task: Task, processes: int | None, track: Track = lambda cut, total: cut
) -> Progress:
    """Write what a task gives into `work`, which becomes OUT then. Returns what was counted.

    What parts of the work have made is taken from them.
    """
    plan = task.plan
    with disk_errors(work):
        progress = work.resume(task.settings, plan.digests())
        jobs = plan.jobs[progress.pair :]
        cut = cut_or_read(work.pieces, plan, progress.pair, task.settings, task.cut, processes)
        _write_shards(work, _steps(track(cut, len(jobs)), task, progress), task.config)
        for part in plan.parts:
            _write_index(work, part, task, progress)
        if task.proposal is not None and not task.proposal.built_in:
            write_text(work.data / SCHEMA_NAME, task.proposal.toml("pack"))
        work.publish()
    return progress


def made_by(config: PackConfig, proposal: Proposal | None) -> dict[str, Any]:
    """What made a data set, for `dataset.json`."""
    return {
        "histosyn": version("histosyn"),
        "pillow": version("pillow"),
        "command": "pack",
        "schema_from": _origin(proposal),
        "config": config.as_dict(),
    }


def _origin(proposal: Proposal | None) -> str:
    """How the schema was found."""
    if proposal is None:
        return "named"
    return "colours" if proposal.built_in else "proposed"


def _steps(cut_pairs: Iterable[CutPair], task: Task, progress: Progress) -> Iterator[Step]:
    """All samples after `progress`, which moves along."""
    jobs = task.plan.jobs
    for cut in cut_pairs:
        job = jobs[progress.pair]
        for sample in cut.samples[progress.taken :]:
            progress.tile_size = progress.tile_size or sample.size
            if sample.size != progress.tile_size:
                raise odd_size(progress.tile_size, sample.size, job, jobs, task.config)
            progress.taken += 1
            progress.samples[job.part] += 1
            yield Step(sample=sample, job=job, after=progress.snapshot())
        progress.left_out[job.part] += cut.left_out
        if cut.unread:
            count, why = progress.unread.get(job.source, (0, cut.unread[0]))
            progress.unread[job.source] = count + len(cut.unread), why
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


def _write_index(work: WorkFolder, part: str, task: Task, progress: Progress) -> None:
    left_out = progress.left_out[part]
    if not progress.samples[part] or progress.tile_size is None:
        raise DatasetError(_nothing(part, left_out, task, progress))
    unread = {source: count for source, (count, _) in sorted(progress.unread.items())}
    write_index(
        work.data / part,
        schema=task.schema,
        tile_size=progress.tile_size,
        mpp=task.plan.mpp,
        records=work.records(part),
        made_by=task.made_by
        | {"crops_left_out": left_out}
        | ({"crops_not_read": unread} if unread else {}),
    )


def _nothing(part: str, left_out: int, task: Task, progress: Progress) -> str:
    """Why a part would be without samples."""
    none = f"None of the {left_out} crops for {part} {task.nothing}"
    if not progress.unread:
        return none
    count = sum(number for number, _ in progress.unread.values())
    why = next(why for _, why in progress.unread.values())
    told = f"{why} {count} crops cannot be read; this is the first."
    return f"{told} {none}" if left_out else f"{told} Nothing is left for {part}."


@contextmanager
def _tar_writer(file: IO[bytes]) -> Iterator[TarWriter]:
    """webdataset gets an open file: of a path it would make a URL, which can name a command.

    Fixed times and owners: the same input gives the same bytes.
    """
    with TarWriter(file, mtime=0, user="", group="", encoder=False) as writer:
        yield writer


@contextmanager
def disk_errors(work: WorkFolder) -> Iterator[None]:
    """Whatever cannot be written is one sentence."""
    try:
        yield
    except OSError as error:
        raise HistosynError(
            f"{work.path} cannot be written ({error.strerror or error}). Free some space or "
            "correct the rights, and run the same command again: it goes on where it stopped."
        ) from error
