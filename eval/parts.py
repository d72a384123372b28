"""Tiles measured in parts, by processes that know nothing of each other, and put together again.

A part is a run of whole batches, so the network sees the batches that one process would show it,
and the parts in their order are what one process measures: the same features, the same distance and
the same floor. Where features are too many to keep (`eval.population`), parts hold moments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval import population
from eval.content import Content, content_of_digests, digests_of
from eval.features import Extractor, Identity
from eval.images import TileFolder, TileShards
from eval.moments import Moments
from eval.population import Population, features_of
from eval.statistics_file import READING_ERRORS, read_arrays
from hpc.errors import DatasetError, InputError
from hpc.files import atomic_file
from hpc.part import Part


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredPart:
    """The tiles `rows` of one part of a side of `total` tiles, and how they were measured.

    `digests` are the sha256 of what was measured: of each tile, or of the index of shards.
    """

    part: Part
    total: int
    batch_size: int
    device: str
    population: Population
    digests: Mapping[str, str]


def rows_of(part: Part, total: int, batch_size: int) -> range:
    """The tiles of a part: whole batches, only the side's last one may be smaller."""
    batches = part.share(-(-total // batch_size))
    return range(batches.start * batch_size, min(batches.stop * batch_size, total))


def measure_part(
    source: TileFolder | TileShards,
    extractor: Extractor,
    part: Part,
    *,
    batch_size: int = 32,
    progress: str | None = None,
) -> MeasuredPart:
    """Extract the features of one part of the tiles, which may be empty."""
    rows = rows_of(part, len(source), batch_size)
    digests: Mapping[str, str] = {}
    summary: NDArray[np.floating] | Moments = np.empty((0, extractor.dimension))
    tile_size = None
    if rows:
        chosen = source.select(rows)
        digests = _digests(chosen)
        summary, tile_size = features_of(chosen, extractor, batch_size, progress)
    too_many = len(source) * extractor.dimension > population.KEPT_NUMBERS
    if too_many and isinstance(summary, np.ndarray):
        summary = Moments.of(summary)
    return MeasuredPart(
        part=part,
        total=len(source),
        batch_size=batch_size,
        device=str(extractor.device),
        population=Population(
            name=source.name,
            n=len(rows),
            summary=summary,
            identity=extractor.identity,
            tile_size=tile_size,
            preparation=source.preparation,
        ),
        digests=digests,
    )


def write_part(folder: Path, role: str, measured: MeasuredPart) -> Path:
    """Write what was measured to `ROLE-I-of-N.npz`, atomically."""
    path = folder / f"{role}-{measured.part.number}-of-{measured.part.count}.npz"
    side, identity = measured.population, measured.population.identity
    assert identity is not None
    summary: dict[str, Any] = {"features": side.summary}
    if isinstance(side.summary, Moments):
        summary = {"mean": side.summary.mean_D, "scatter": side.summary.scatter_DD}
    with atomic_file(path) as file:
        np.savez(
            file,
            part=str(measured.part),
            total=measured.total,
            batch_size=measured.batch_size,
            device=measured.device,
            digested=np.array(list(measured.digests), dtype=np.str_),
            sha256=np.array(list(measured.digests.values()), dtype=np.str_),
            name=side.name,
            n=side.n or 0,
            extractor=identity.name,
            weights_sha256=identity.weights_sha256,
            preprocessing=identity.preprocessing,
            caveat=identity.caveat or "",
            tile_size=side.tile_size or (),
            preparation=side.preparation or "",
            **summary,
        )
    return path


def read_part(path: Path) -> MeasuredPart:
    """Read a file of `write_part`. Raises DatasetError if it is damaged."""
    try:
        return _measured(read_arrays(path))
    except READING_ERRORS as error:
        raise DatasetError(
            f"{path} cannot be read as a measured part ({error}). Delete it and measure the part "
            "again."
        ) from error


def merge_parts(source: TileFolder | TileShards, role: str, folder: Path) -> MeasuredPart:
    """All parts of a side, as if one process had measured it.

    Raises InputError if parts are missing, fit together badly, or measured other tiles than those
    of `source`.
    """
    parts = _all_parts(role, folder)
    _require_alike(parts, role, folder)
    content = _content(source, parts, f"the {role} parts in {folder}")
    sizes = {part.population.tile_size for part in parts} - {None}
    merged = replace(
        parts[0].population,
        name=source.name,
        n=parts[0].total,
        summary=_summary(parts),
        tile_size=next(iter(sizes)),
        content=content,
    )
    devices = ", ".join(sorted({part.device for part in parts}))
    return replace(parts[0], population=merged, device=devices)


def _digests(source: TileFolder | TileShards) -> dict[str, str]:
    if isinstance(source, TileFolder):
        return digests_of(source.folder, source.paths)
    content = source.content()
    return {content.covers: content.sha256}


def _measured(arrays: dict[str, NDArray[Any]]) -> MeasuredPart:
    text = {name: str(value) for name, value in arrays.items() if value.dtype.kind == "U"}
    number, count = map(int, text["part"].split("/"))
    n = int(arrays["n"])
    summary: NDArray[np.floating] | Moments
    if "features" in arrays:
        summary = arrays["features"]
    else:
        summary = Moments(n=n, mean_D=arrays["mean"], scatter_DD=arrays["scatter"])
    tile_size = tuple(int(length) for length in arrays["tile_size"]) or None
    return MeasuredPart(
        part=Part(number=number, count=count),
        total=int(arrays["total"]),
        batch_size=int(arrays["batch_size"]),
        device=text["device"],
        population=Population(
            name=text["name"],
            n=n,
            summary=summary,
            identity=Identity(
                name=text["extractor"],
                weights_sha256=text["weights_sha256"],
                preprocessing=text["preprocessing"],
                caveat=text["caveat"] or None,
            ),
            tile_size=tile_size,  # type: ignore[arg-type]
            preparation=text["preparation"],
        ),
        digests=dict(zip(map(str, arrays["digested"]), map(str, arrays["sha256"]), strict=True)),
    )


def _all_parts(role: str, folder: Path) -> list[MeasuredPart]:
    """In their order, complete."""
    parts = [read_part(path) for path in sorted(folder.glob(f"{role}-*-of-*.npz"))]
    counts = sorted({part.part.count for part in parts})
    if len(counts) != 1:
        found = f"parts of {' and of '.join(map(str, counts))}" if counts else "no parts"
        raise InputError(
            f"{folder} holds {found} of the {role} tiles. Measure them with --part 1/N to N/N, all "
            "with the same N and in a folder of their own."
        )
    by_number = {part.part.number: part for part in parts}
    missing = [number for number in range(1, counts[0] + 1) if number not in by_number]
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} of the {counts[0]} parts of the {role} tiles, first "
            f"{missing[0]}/{counts[0]}. Measure it: run the same command with --part "
            f"{missing[0]}/{counts[0]}."
        )
    return [by_number[number] for number in sorted(by_number)]


def _require_alike(parts: Sequence[MeasuredPart], role: str, folder: Path) -> None:
    first = parts[0]
    for other in parts[1:]:
        for what, one, two in (
            ("extractor", first.population.identity, other.population.identity),
            ("batch size", first.batch_size, other.batch_size),
            ("preparation", first.population.preparation, other.population.preparation),
            ("number of tiles", first.total, other.total),
        ):
            if one != two:
                raise InputError(
                    f"Parts {first.part} and {other.part} of the {role} tiles in {folder} differ "
                    f"in their {what}: {one} and {two}. Measure all of them again, alike."
                )
    sizes = {part.population.tile_size for part in parts} - {None}
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sorted(size for size in sizes if size)[:2]
        raise DatasetError(
            f"Some {role} tiles are {width}x{height} pixels, others {other_width}x{other_height}. "
            "Pass --resize N to bring all tiles to N x N pixels, or sort the sizes into folders."
        )


def _content(source: TileFolder | TileShards, parts: Sequence[MeasuredPart], name: str) -> Content:
    """What the parts measured, which must be what is there now."""
    digests = {name: sha256 for part in parts for name, sha256 in part.digests.items()}
    if isinstance(source, TileShards):
        content = source.content()
        fits = set(digests.values()) == {content.sha256}
    else:
        content = content_of_digests(source.folder, digests)
        fits = digests.keys() == {
            path.relative_to(source.folder).as_posix() for path in source.paths
        }
    if not fits:
        raise InputError(
            f"{name} are not those of the tiles that {source.name} holds now. Measure all of them "
            "again."
        )
    return content


def _summary(parts: Sequence[MeasuredPart]) -> NDArray[np.floating] | Moments:
    summaries = [part.population.summary for part in parts if part.population.n]
    kept = [summary for summary in summaries if isinstance(summary, np.ndarray)]
    if len(kept) == len(summaries):
        return np.concatenate(kept)
    moments = [summary for summary in summaries if isinstance(summary, Moments)]
    return reduce(Moments.merge, moments)
