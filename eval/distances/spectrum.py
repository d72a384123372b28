"""Energy by frequency beside the distances: measured as features are, with floors as they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.distances.feature_set import FeatureSet
from eval.distances.measures import Features, Measure, floors_of
from eval.features.extractor import Extractor
from eval.spectra.extractor import NAME, SpectrumExtractor
from eval.spectra.ratios import METHODS, Energies, spectrum_numbers
from eval.statistics.result import Number
from histosyn.spectra.energies import NAMES, ratios


def extractors_of(
    role: str, sides: Mapping[str, object], extractor: Extractor | None
) -> dict[str, Extractor]:
    """What measures a side, by the roles of what it leaves: spectra only where both are tiles."""
    if extractor is None or isinstance(sides[role], FeatureSet):
        return {}
    if any(isinstance(side, FeatureSet) for side in sides.values()):
        return {role: extractor}
    return {role: extractor, spectrum_role(role): SpectrumExtractor()}


def spectrum_role(role: str) -> str:
    """What the energies of a side are called among its parts."""
    return f"{NAME}-{role}"


def spectrum_between(
    real: FeatureSet,
    synthetic: FeatureSet,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Number, ...]:
    """Synthetic over real in every band and at every period, then the floor of those defined."""
    numbers = spectrum_numbers(_energies(real), _energies(synthetic))
    names = tuple(number.name for number in numbers if number.value is not None)
    measure = Measure(
        names=names,
        methods=METHODS,
        fewest=1,
        most=None,
        values=_values,
    )
    return (*numbers, *(floors_of(measure, real, groups=groups, seed=seed) if names else ()))


def _values(real_ND: Features, synthetic_MD: Features) -> dict[str, float]:
    found = ratios(real_ND.mean(axis=0), synthetic_MD.mean(axis=0))
    return dict(zip(NAMES, found.tolist(), strict=True))


def _energies(side: FeatureSet) -> Energies:
    gaussian, n = side.gaussian, side.n or 0
    return Energies(
        name=side.name,
        n=n,
        mean_D=gaussian.mean_D,
        covariance_DD=gaussian.covariance_DD if n > 1 else None,
    )
