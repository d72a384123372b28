"""Tiles measured in parts, by ranks or by jobs that know nothing of each other, and put together.

A part is a run of whole batches, so the network sees the batches that one process would show it,
and the parts in their order are what one process measures: the same features, hence the same
numbers. Where features are too many to keep (see `feature_set.py`), parts hold moments as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from eval.distances.feature_set import Features, FeatureSet, feature_set_of, features_of, kept_rows
from eval.distances.moments import Moments
from eval.features.content import Content, content_of_digests, digests_of
from eval.features.extractor import Extractor, Identity
from eval.features.tile_batches import BadTilesError
from eval.features.tile_sources import StoredTiles, TileFolder
from hpc.collectives import rank, run_on_every_rank, world_size
from hpc.errors import DatasetError, InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.job_array import Part


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredPart:
    """The features of one part of a side of `total` tiles, and how they were measured.

    `digests` are the sha256 of what was measured: of each tile, or of the index of shards.
    """

    part: Part
    total: int
    batch_size: int
    device: str
    name: str
    preparation: str
    identity: Identity
    features: Features
    digests: Mapping[str, str]


def rows_of(part: Part, total: int, batch_size: int) -> range:
    """The tiles of a part: whole batches, only the side's last one may be smaller."""
    batches = part.share(-(-total // batch_size))
    return range(batches.start * batch_size, min(batches.stop * batch_size, total))


def measure_part(
    source: StoredTiles,
    extractor: Extractor,
    part: Part,
    *,
    batch_size: int = 32,
    progress: str | None = None,
) -> MeasuredPart:
    """Extract the features of one part of the tiles, which may be empty."""
    rows = rows_of(part, len(source), batch_size)
    kept_N = kept_rows(len(source), extractor.dimension)
    digests: Mapping[str, str] = {}
    features = Features(
        n=0,
        kept_MD=np.empty((0, extractor.dimension), np.float32),
        kept_names=(),
        moments=None if kept_N is None else Moments.empty(extractor.dimension),
    )
    if rows:
        chosen = source.select(rows)
        fingerprints = (
            [FileFingerprint(path) for path in chosen.paths]
            if isinstance(chosen, TileFolder)
            else []
        )
        digests = _digests(chosen)
        kept_of_part = None if kept_N is None else kept_N[rows.start : rows.stop]
        features = features_of(chosen, extractor, batch_size, progress, kept_of_part)
        for fingerprint in fingerprints:
            fingerprint.require_unchanged()
    return MeasuredPart(
        part=part,
        total=len(source),
        batch_size=batch_size,
        device=str(extractor.device),
        name=source.name,
        preparation=source.preparation,
        identity=extractor.identity,
        features=features,
        digests=digests,
    )


def measure_together(
    source: StoredTiles, extractor: Extractor, *, batch_size: int, progress: str | None
) -> MeasuredPart:
    """All tiles, measured by all ranks, each a part; every rank gets the whole.

    Raises what `measure_part` raises anywhere, on every rank.
    """
    own = Part(number=rank() + 1, count=world_size())
    shown = progress if rank() == 0 else None

    def work() -> MeasuredPart | BadTilesError:
        try:
            return measure_part(source, extractor, own, batch_size=batch_size, progress=shown)
        except BadTilesError as error:
            return error

    outcomes = run_on_every_rank(work)
    # Not that of one rank: all bad tiles are to be named and counted.
    bad = [text for one in outcomes if isinstance(one, BadTilesError) for text in one.bad]
    if bad:
        raise BadTilesError(bad, len(source))
    parts = [one for one in outcomes if isinstance(one, MeasuredPart)]
    return merge(source, parts, f"what {world_size()} processes measured")


def merge(source: StoredTiles, parts: Sequence[MeasuredPart], what: str) -> MeasuredPart:
    """All parts of a side, in order, as if one process had measured it; errors call them `what`.

    Raises InputError if parts fit together badly, or measured other tiles than those of `source`.
    """
    _require_alike(parts, what)
    _require_tiles(source, parts, what)
    digests = {name: sha256 for part in parts for name, sha256 in part.digests.items()}
    features = [part.features for part in parts]
    moments = [one.moments for one in features if one.moments is not None]
    # An empty part doesn't know in which precision the others have computed.
    kept = [one.kept_MD for one in features if len(one.kept_MD)] or [features[0].kept_MD]
    merged = Features(
        n=sum(one.n for one in features),
        kept_MD=np.concatenate(kept),
        kept_names=tuple(name for one in features for name in one.kept_names),
        moments=reduce(Moments.merge, moments) if moments else None,
        tile_size=next((one.tile_size for one in features if one.tile_size), None),
        bad=tuple(message for one in features for message in one.bad),
    )
    devices = ", ".join(sorted({part.device for part in parts}))
    whole = Part(number=1, count=1)
    return replace(parts[0], part=whole, device=devices, features=merged, digests=digests)


def as_feature_set(source: StoredTiles, measured: MeasuredPart) -> FeatureSet:
    """A side of which all tiles were measured."""
    content = _content(source, measured.digests)
    return feature_set_of(measured.features, source, measured.identity, content)


def content_of(source: StoredTiles) -> tuple[Content, Mapping[str, str]]:
    """What the tiles are now, and the digests that say so. All ranks share the reading."""
    if not isinstance(source, TileFolder):
        digests = _digests(source)
        return _content(source, digests), digests
    share = Part(number=rank() + 1, count=world_size()).share(len(source))
    parts = run_on_every_rank(lambda: _digests(source.select(share)) if share else {})
    digests = {name: sha256 for part in parts for name, sha256 in part.items()}
    return _content(source, digests), digests


def _digests(source: StoredTiles) -> dict[str, str]:
    if isinstance(source, TileFolder):
        return digests_of(source.folder, source.paths)
    content = source.content()
    return {content.covers: content.sha256}


def _content(source: StoredTiles, digests: Mapping[str, str]) -> Content:
    if isinstance(source, TileFolder):
        return content_of_digests(source.folder, digests)
    return source.content()


def _require_alike(parts: Sequence[MeasuredPart], what: str) -> None:
    first = parts[0]
    for other in parts[1:]:
        for field, one, two in (
            ("extractor", first.identity, other.identity),
            ("batch size", first.batch_size, other.batch_size),
            ("preparation", first.preparation, other.preparation),
            ("number of tiles", first.total, other.total),
        ):
            if one != two:
                raise InputError(
                    f"Parts {first.part} and {other.part} of {what} differ in their {field}: {one} "
                    f"and {two}. Measure all of them again, alike."
                )
    sizes = {size for part in parts if (size := part.features.tile_size)}
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sorted(sizes)[:2]
        raise DatasetError(
            f"{what}: some tiles are {width}x{height} pixels, others {other_width}x{other_height}. "
            "Pass --resize N to bring all tiles to N x N pixels, or sort the sizes into folders."
        )


def require_unchanged(source: StoredTiles, measured: MeasuredPart, what: str) -> None:
    """InputError if a tile is not what it was when parts, which the error calls `what`, read it.

    It reads all tiles of a folder; of shards it compares their index.
    """
    _, digests = content_of(source)
    changed = [name for name, sha256 in digests.items() if measured.digests[name] != sha256]
    if changed:
        raise InputError(
            f"{what} are not those of the tiles that {source.name} holds now: {len(changed)} of "
            f"{len(digests)} files have changed, first {changed[0]}. Measure all of them again."
        )


def _require_tiles(source: StoredTiles, parts: Sequence[MeasuredPart], what: str) -> None:
    """What the parts measured must be what is there now."""
    if isinstance(source, TileFolder):
        measured = {name for part in parts for name in part.digests}
        fits = measured == {path.relative_to(source.folder).as_posix() for path in source.paths}
    else:
        fits = {sha256 for part in parts for sha256 in part.digests.values()} == {
            source.content().sha256
        }
    if not fits:
        raise InputError(
            f"{what} are not those of the tiles that {source.name} holds now. Measure all of them "
            "again."
        )
