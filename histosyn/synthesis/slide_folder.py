"""The slides of a folder: ranks and parts make their pieces, ranks put finished ones together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from histosyn.manifests.manifest import Entries
from histosyn.models.folder import Model
from histosyn.synthesis.plan import Job, SynthesisConfig
from histosyn.synthesis.provenance import entry_of
from histosyn.synthesis.slides import SlideWork
from hpc import collectives
from hpc.deferred_writes import is_full_disk
from hpc.errors import FullDiskError, HistosynError
from hpc.job_array import WHOLE, Part


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a slide to make."""

    work: SlideWork
    number: int

    @property
    def label(self) -> Path:
        """The file of labels."""
        return self.work.job.label

    def make(self) -> None:
        """Make it and write it."""
        self.work.make(self.number)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Entries of slides that were put together, and label maps that failed."""

    made: Entries = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class Slides:
    """Slides that are to be made; `failed` are label maps that cannot be read. All ranks agree."""

    def __init__(self, works: list[SlideWork], failed: dict[str, str]) -> None:
        self._works = works
        self.failed = failed

    def units(self, part: Part) -> list[Piece]:
        """The pieces that this rank makes of a part of the work: those of its share that are
        missing.
        """
        found = []
        for work in self._works:
            share = part.share(len(work))
            mine = range(share.start, share.stop)[collectives.rank() :: collectives.world_size()]
            missing = set(work.missing())
            found += [Piece(work=work, number=number) for number in mine if number in missing]
        return found

    def finished(self, failed: dict[str, str], part: Part) -> Finished:
        """Put slides together whose pieces are all there, each on one rank; all know of all.

        Parts only make pieces.
        """
        if part != WHOLE:
            return Finished()
        mine = self._works[collectives.rank() :: collectives.world_size()]
        ready = [work for work in mine if str(work.job.label) not in failed]
        outcomes = collectives.run_on_every_rank(lambda: _finish(ready))
        return Finished(
            made={name: entry for each in outcomes for name, entry in each.made.items()},
            failed={name: text for each in outcomes for name, text in each.failed.items()},
        )


def opened_slides(model: Model, jobs: list[Job], out: Path, config: SynthesisConfig) -> Slides:
    """Read the label maps of slides, on the first rank, which the others then find read."""
    works: list[SlideWork] = []
    failed: dict[str, str] = {}

    for job in jobs:
        read = partial(_read, model, job, out, config)
        problem = collectives.run_on_rank_0(partial(problem_of, read, job.label))
        if problem is None:
            works.append(SlideWork(model, job, out, config.output))
        else:
            failed[str(job.label)] = problem
    return Slides(works, failed)


def _read(model: Model, job: Job, out: Path, config: SynthesisConfig) -> None:
    SlideWork(model, job, out, config.output).prepare()


def problem_of(work: Callable[[], object], path: Path) -> str | None:
    """What stood in the way of work that is about a file; None if nothing did.

    Raises FullDiskError: what comes after it would find no room either.
    """
    try:
        work()
    except HistosynError as error:
        return str(error)
    except OSError as error:
        if is_full_disk(error):
            raise FullDiskError(
                f"{error.filename or path} cannot be written: {error.strerror}. Free some space "
                "and run the same command again: it goes on where it stopped."
            ) from error
        return f"{error.filename or path} cannot be read or written: {error.strerror}."
    return None


def _finish(works: list[SlideWork]) -> Finished:
    found = Finished()
    for work in works:
        problem = problem_of(partial(_note, work, found.made), work.path)
        if problem is not None:
            found.failed[str(work.job.label)] = problem
    return found


def _note(work: SlideWork, made: Entries) -> None:
    made[work.record.file] = entry_of(work.record, work.finish())
