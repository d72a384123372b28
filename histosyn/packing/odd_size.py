"""Naming the tile whose size differs from most, where sizes must not be mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from histosyn.images.file import size_in_header
from histosyn.images.resampling import scaled_size
from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import AnyJob, Job
from hpc.errors import DatasetError

Size = tuple[int, int]
# So many headers tell what most are like.
_ASKED = 1000


def odd_size(
    first: Size, second: Size, job: AnyJob, jobs: Sequence[AnyJob], config: PackConfig
) -> DatasetError:
    """The error for `job`, which gives samples of the size `second` where `first` was before."""
    asked = [each for each in jobs[:_ASKED] if isinstance(each, Job)]
    sizes = {each.source: _size_of(each, config) for each in asked}
    known = {key: size for key, size in sizes.items() if size is not None} | {job.source: second}
    counts = Counter(known.values())
    # Of as many of each, the earlier is the usual size.
    usual = max(counts, key=lambda size: (counts[size], size == first))
    odd = [key for key, size in known.items() if size != usual]
    size = known[odd[0]]
    more = f" (and {len(odd) - 1} more differ)" if len(odd) > 1 else ""
    return DatasetError(
        f"{odd[0]} is {_by(size)} pixels, {counts[usual]} others are {_by(usual)}{more}. Cut all "
        "to one size with --tile-size, or leave it out."
    )


def _size_of(job: Job, config: PackConfig) -> Size | None:
    """The size that a pair is packed at, as its label map's header tells."""
    size = size_in_header(job.pair.label)
    return None if size is None else scaled_size(size, config.scale_of(job.mpp))


def _by(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
