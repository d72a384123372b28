"""What one process packs at a time: a pair of files, or some windows of a slide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from histosyn.slides.pairs import SlidePair
from histosyn.sources.pairs import Pair

DIGEST_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Job:
    """A pair to be packed: where it goes, whose it is, and its microns per pixel if known."""

    pair: Pair
    part: str
    group: str
    mpp: float | None

    @property
    def source(self) -> str:
        """What it is called."""
        return self.pair.key

    @property
    def key(self) -> str:
        """Begins the names of its samples."""
        return sample_key(self.source)

    @property
    def digest(self) -> bytes:
        """`DIGEST_BYTES` that change with the names, sizes or times of the files."""
        facts = (self.pair.key, self.part, self.group, self.mpp)
        return _digest(facts, stamps(self.pair.tile, self.pair.label))


@dataclass(frozen=True, kw_only=True)
class SlideJob:
    """Windows of a slide, numbered row by row from `first` to before `stop`.

    `size` is the slide's (H, W) at full resolution, `mpp` its microns per pixel there if known.
    `stamps` change with its files.
    """

    pair: SlidePair
    part: str
    group: str
    mpp: float | None
    size: tuple[int, int]
    first: int
    stop: int
    stamps: tuple[tuple[str, int, int], ...]

    @property
    def source(self) -> str:
        """What the slide is called."""
        return self.pair.key

    @property
    def key(self) -> str:
        """Begins the names of its samples."""
        return sample_key(self.source)

    @property
    def digest(self) -> bytes:
        """`DIGEST_BYTES` that change with the windows, and the slide's files."""
        facts = (self.pair.key, self.part, self.group, self.mpp, self.size, self.first, self.stop)
        return _digest(facts, self.stamps)


AnyJob = Job | SlideJob


def pairs_of(jobs: Iterable[AnyJob]) -> list[Pair]:
    """The pairs of files among jobs, in their order."""
    return [job.pair for job in jobs if isinstance(job, Job)]


def sample_key(key: str) -> str:
    """How names of a source's samples begin: points and slashes mean something else in shards."""
    return key.replace("/", "__").replace(".", "-")


def stamps(*paths: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of files."""
    states = ((path.name, path.stat()) for path in paths)
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in states)


def _digest(facts: tuple[object, ...], files: tuple[tuple[str, int, int], ...]) -> bytes:
    return blake2b(repr((facts, list(files))).encode(), digest_size=DIGEST_BYTES).digest()
