"""One side of a comparison: the features of a set of tiles, or what is left of them in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.content import Content
from eval.features import Extractor, Identity
from eval.frechet import Gaussian, frechet_distance, frechet_distance_from_features
from eval.images import TileSource
from eval.moments import Moments
from hpc.errors import InputError
from hpc.log import track

# Features are kept up to this many numbers, in float32 512 MiB or 65,536 tiles of Inception's: kept
# features make distances exact for few tiles, and the real-versus-real floor possible. Beyond, only
# their moments are.
KEPT_NUMBERS = 1 << 27


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Tiles as an extractor sees them.

    `summary` is their features (N, D), or the mean and covariance alone. The rest is None where a
    statistics file does not tell; `tile_size` is (height, width) in pixels as the extractor got it.
    """

    name: str
    n: int | None
    summary: NDArray[np.floating] | Gaussian
    identity: Identity | None
    tile_size: tuple[int, int] | None = None
    preparation: str | None = None
    content: Content | None = None

    @property
    def features_ND(self) -> NDArray[np.floating] | None:  # noqa: N802
        """The features, if they were kept."""
        return self.summary if isinstance(self.summary, np.ndarray) else None

    @property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the features."""
        return Moments.of(self.summary) if isinstance(self.summary, np.ndarray) else self.summary


def measure(
    source: TileSource, extractor: Extractor, *, batch_size: int = 32, progress: str | None = None
) -> Population:
    """Extract the features of all tiles; `progress` names the progress display, None is silent.

    Memory is bounded by the features kept (`KEPT_NUMBERS`) and one batch of tiles.
    """
    # First, because it may find a fault sooner than a pass through the network.
    content = source.content()
    summary, tile_size = features_of(source, extractor, batch_size, progress)
    return Population(
        name=source.name,
        n=len(source),
        summary=summary,
        identity=extractor.identity,
        tile_size=tile_size,
        preparation=source.preparation,
        content=content,
    )


def features_of(
    source: TileSource, extractor: Extractor, batch_size: int, progress: str | None
) -> tuple[NDArray[np.floating] | Moments, tuple[int, int] | None]:
    """The features of all tiles, or their moments if they are too many, and the tiles' size."""
    batches: Iterable[NDArray[np.uint8]] = source.batches(batch_size)
    if progress is not None:
        batches = track(batches, total=-(-len(source) // batch_size), what=progress)
    moments, kept, tile_size = Moments.empty(extractor.dimension), [], None
    for tiles_NHWC in batches:
        tile_size = tiles_NHWC.shape[1], tiles_NHWC.shape[2]
        kept.append(extractor(tiles_NHWC))
        if sum(map(len, kept)) * extractor.dimension > KEPT_NUMBERS:
            moments = moments.update(np.concatenate(kept))
            kept.clear()
    return _summary(moments, kept), tile_size


def distance(real: Population, synthetic: Population) -> float:
    """Squared Fréchet distance. Raises InputError unless both come from the same extractor."""
    require_same_identity(real, synthetic.identity, synthetic.name)
    if real.features_ND is not None and synthetic.features_ND is not None:
        return frechet_distance_from_features(real.features_ND, synthetic.features_ND)
    return frechet_distance(real.gaussian, synthetic.gaussian)


def require_same_identity(population: Population, other: Identity | None, other_name: str) -> None:
    """InputError if features of `population` and of `other` were made differently.

    An unknown identity, that of a statistics file by pytorch-fid, is taken to fit.
    """
    own = population.identity
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
        f"{population.name} and {other_name} cannot be compared: {'; '.join(differences)}. "
        "Measure both with the same extractor."
    )


def _summary(moments: Moments, kept: list[NDArray[np.floating]]) -> NDArray[np.floating] | Moments:
    if not kept:
        return moments
    features_ND = np.concatenate(kept)
    return moments.update(features_ND) if moments.n else features_ND
