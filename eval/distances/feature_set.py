"""One side of a comparison: the features of a set of tiles, or what is left of them in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.distances.frechet import Gaussian, frechet_distance, frechet_distance_from_features
from eval.distances.moments import Moments, require_two
from eval.features.content import Content
from eval.features.extraction import Extracted, extracted_features
from eval.features.extractor import Extractor, Identity
from eval.features.tile_batches import TileBatch
from eval.features.tile_sources import TileSource
from hpc.errors import DatasetError, InputError
from hpc.log import track
from hpc.randomness import key_of, permutation

# Features are kept up to this many numbers, in float32 512 MiB or 65,536 tiles of Inception's: kept
# features make distances exact for few tiles, and all numbers but the Fréchet distance possible.
# Beyond, only the moments of all tiles are kept, and the features of as many as fit.
KEPT_NUMBERS = 1 << 27
_WAITING_TILES = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What an extractor made of some tiles.

    `moments` of all `n` tiles is None while the features of all are kept. `kept_MD` are those of
    the tiles `kept_names`, in the order of the source; `bad` are messages about tiles left out.
    """

    n: int
    kept_MD: NDArray[np.floating]
    kept_names: tuple[str, ...]
    moments: Moments | None = None
    tile_size: tuple[int, int] | None = None
    bad: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSet:
    """Tiles as an extractor sees them.

    `summary` is the features (N, D) of all, or their mean and covariance; `sample_MD` is then the
    features of a random choice, if there are any. The rest is None where a statistics file does not
    tell; `tile_size` is (height, width) in pixels as the extractor got it, `tile_names` are those
    of `features_ND`, `bad` messages about tiles that were left out.
    """

    name: str
    n: int | None
    summary: NDArray[np.floating] | Gaussian
    identity: Identity | None
    sample_MD: NDArray[np.floating] | None = None
    tile_names: tuple[str, ...] = ()
    tile_size: tuple[int, int] | None = None
    preparation: str | None = None
    content: Content | None = None
    bad: tuple[str, ...] = ()

    @property
    def features_ND(self) -> NDArray[np.floating] | None:  # noqa: N802
        """The features of all tiles, or of those that were kept, if any were."""
        return self.summary if isinstance(self.summary, np.ndarray) else self.sample_MD

    @property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the features."""
        return Moments.of(self.summary) if isinstance(self.summary, np.ndarray) else self.summary


def measure(
    source: TileSource, extractor: Extractor, *, batch_size: int = 32, progress: str | None = None
) -> FeatureSet:
    """Extract the features of all tiles; `progress` names the progress display, None is silent.

    Memory is bounded by the features kept (`KEPT_NUMBERS`) and a few batches of tiles.
    """
    # First, because it may find a fault sooner than a pass through the network.
    content = source.content()
    kept = kept_rows(len(source), extractor.dimension)
    features = features_of(source, extractor, batch_size, progress, kept)
    return feature_set_of(features, source, extractor.identity, content)


def feature_set_of(
    features: Features, source: TileSource, identity: Identity, content: Content | None
) -> FeatureSet:
    """The tiles of `source` with what was made of them. Raises DatasetError if none was usable."""
    if not features.n and len(source):
        raise DatasetError(f"No tile of {source.name} can be measured: {features.bad[0]}")
    moments = features.moments
    return FeatureSet(
        name=source.name,
        n=features.n,
        summary=features.kept_MD if moments is None else moments,
        identity=identity,
        sample_MD=None if moments is None else features.kept_MD,
        tile_names=features.kept_names,
        tile_size=features.tile_size,
        preparation=source.preparation,
        content=content,
        bad=features.bad,
    )


def kept_rows(total: int, dimension: int) -> NDArray[np.bool_] | None:
    """Of which of `total` tiles the features are kept, (total,); None for all of them.

    The choice depends on the two numbers alone, whoever measures which of the tiles.
    """
    most = KEPT_NUMBERS // dimension
    if total <= most:
        return None
    kept_N = np.zeros(total, dtype=np.bool_)
    kept_N[permutation(key_of(0, "kept features"), total)[:most]] = True
    return kept_N


def features_of(
    source: TileSource,
    extractor: Extractor,
    batch_size: int,
    progress: str | None,
    kept_N: NDArray[np.bool_] | None,
) -> Features:
    """The features of all tiles, or their moments and the features of those that are to be kept.

    Raises InputError, naming the tile, if a feature is not finite.
    """
    collected = _Collected(extractor.dimension, kept_N)
    with closing(extracted_features(extractor, source.batches(batch_size))) as extracted:
        shown: Iterable[Extracted] = extracted
        if progress is not None:
            shown = track(extracted, total=-(-len(source) // batch_size), what=progress)
        for batch, features_BD in shown:
            _require_finite(features_BD, batch, source.name)
            collected.add(batch, features_BD)
    return collected.result()


class _Collected:
    """Features as they come in: all of them, or the moments of all and some of them."""

    def __init__(self, dimension: int, kept_N: NDArray[np.bool_] | None) -> None:
        self._kept_N = kept_N
        self._kept: list[NDArray[np.floating]] = [np.empty((0, dimension), np.float32)]
        self._names: list[str] = []
        self._bad: list[str] = []
        self._n = 0
        self._tile_size: tuple[int, int] | None = None
        # Merging moments costs as much for a few tiles as for many, so these wait for company.
        self._waiting: list[NDArray[np.floating]] = []
        self._moments = Moments.empty(dimension)

    def add(self, batch: TileBatch, features_BD: NDArray[np.floating]) -> None:
        self._bad += batch.bad
        if not batch.rows:
            return
        self._n += len(features_BD)
        self._tile_size = batch.tiles_NHWC.shape[1], batch.tiles_NHWC.shape[2]
        chosen = np.ones(len(features_BD), dtype=np.bool_)
        if self._kept_N is not None:
            chosen = self._kept_N[list(batch.rows)]
            self._waiting.append(features_BD)
            if sum(map(len, self._waiting)) >= _WAITING_TILES:
                self._merge()
        self._kept.append(features_BD[chosen])
        self._names += [name for name, keep in zip(batch.names, chosen, strict=True) if keep]

    def result(self) -> Features:
        if self._waiting:
            self._merge()
        return Features(
            n=self._n,
            kept_MD=np.concatenate(self._kept),
            kept_names=tuple(self._names),
            moments=None if self._kept_N is None else self._moments,
            tile_size=self._tile_size,
            bad=tuple(self._bad),
        )

    def _merge(self) -> None:
        self._moments = self._moments.update(np.concatenate(self._waiting))
        self._waiting.clear()


def distance(real: FeatureSet, synthetic: FeatureSet) -> float:
    """Squared Fréchet distance.

    Raises InputError unless both come from the same extractor and have two tiles or more.
    """
    require_same_identity(real, synthetic.identity, synthetic.name)
    for side in (real, synthetic):
        if side.n is not None:
            require_two(side.n, side.name)
    if isinstance(real.summary, np.ndarray) and isinstance(synthetic.summary, np.ndarray):
        return frechet_distance_from_features(real.summary, synthetic.summary)
    return frechet_distance(real.gaussian, synthetic.gaussian, (real.name, synthetic.name))


def require_same_identity(feature_set: FeatureSet, other: Identity | None, other_name: str) -> None:
    """InputError if features of `feature_set` and of `other` were made differently.

    An unknown identity, that of a statistics file by pytorch-fid, is taken to fit.
    """
    own = feature_set.identity
    if own is None or other is None or own == other:
        return
    differences = [
        f"{what} {getattr(own, field)} and {getattr(other, field)}"
        for what, field in (
            ("extractor", "name"),
            ("weights", "weights_sha256"),
            ("preprocessing", "preprocessing"),
        )
        if getattr(own, field) != getattr(other, field)
    ]
    raise InputError(
        f"{feature_set.name} and {other_name} cannot be compared: {'; '.join(differences)}. "
        "Measure both with the same extractor."
    )


def _require_finite(features_BD: NDArray[np.floating], batch: TileBatch, source: str) -> None:
    damaged = [
        name
        for name, finite in zip(batch.names, np.isfinite(features_BD).all(axis=1), strict=True)
        if not finite
    ]
    if damaged:
        raise InputError(
            f"{source}: the extractor makes features of {_listed(damaged)} that are not finite. "
            "Look at the tile, and check the extractor and its weights."
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tiles"
