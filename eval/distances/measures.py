"""The numbers between two sets of features, each with an interval and a real-versus-real floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median

import numpy as np
from numpy.typing import NDArray

from eval.distances import kid as kernel
from eval.distances import precision_recall
from eval.distances.feature_set import FeatureSet, distance
from eval.distances.frechet import frechet_distance_from_features
from eval.distances.frechet_interval import frechet_interval
from eval.statistics.interval import ALIKE
from eval.statistics.proportions import wilson_interval
from eval.statistics.result import Number
from hpc.randomness import key_of, permutation

Features = NDArray[np.floating]

LEVEL = 0.95
# Work and memory of kernels and neighbours grow with the square: of more tiles, so many are drawn.
MOST_PAIRED = 10_000
_SUBSETS, _SUBSET_SIZE = 100, 1000
_SPLITS = 5
FLOOR = "real_versus_real_floor"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Numbers that are made together: their names, the fewest and most tiles a side, the values.

    `methods` says in words how each is made; a value that is not finite is undefined.
    """

    names: tuple[str, ...]
    methods: Mapping[str, str]
    fewest: int
    most: int | None
    values: Callable[[Features, Features], Mapping[str, float]]


def _manifold_values(real_ND: Features, synthetic_MD: Features) -> dict[str, float]:
    found = precision_recall.membership(real_ND, synthetic_MD)
    return {name: getattr(found, name) for name in _MANIFOLD_NAMES}


_METHODS = {
    "frechet_distance": "squared Fréchet distance between Gaussians fitted to features, exact, "
    "float64 (Heusel 2017)",
    "kid": "unbiased squared MMD, kernel (x·y/D + 1)³ (Bińkowski 2018), all pairs of tiles",
    "precision": "share of synthetic tiles in real balls, k = 3 (Kynkäänniemi 2019)",
    "recall": "share of real tiles in synthetic balls, k = 3 (Kynkäänniemi 2019)",
    "density": "mean number of real balls around a synthetic tile / k, k = 5 (Naeem 2020)",
    "coverage": "share of real balls with a synthetic tile in them, k = 5 (Naeem 2020)",
}
_MANIFOLD_NAMES = ("precision", "recall", "density", "coverage")
FRECHET = Measure(
    names=("frechet_distance",),
    methods=_METHODS,
    fewest=2,
    most=None,
    values=lambda x, y: {"frechet_distance": frechet_distance_from_features(x, y)},
)
KERNEL = Measure(
    names=("kid",),
    methods=_METHODS,
    fewest=kernel.FEWEST,
    most=MOST_PAIRED,
    values=lambda x, y: {"kid": kernel.kid(x, y)},
)
PRECISION_RECALL = Measure(
    names=_MANIFOLD_NAMES,
    methods=_METHODS,
    fewest=precision_recall.K_COVERAGE + 1,
    most=MOST_PAIRED,
    values=_manifold_values,
)
_FRECHET_INTERVAL = "infinitesimal jackknife over the tiles of both sides, normal quantile"
_KERNEL_INTERVAL = "delete-one jackknife over the tiles of both sides, normal quantile"
_WILSON = "Wilson score over the {0} tiles, the other side's balls as they are"
_DENSITY_INTERVAL = "jackknife over the synthetic tiles, the real balls as they are"
# Narrower intervals are the rounding of a width of zero: relative to the features' variance (its
# square roots keep half of the digits), and to kernel values.
_FRECHET_ROUNDING, _KERNEL_ROUNDING = 1e-7, 1e-12
# Tiles that tell how large a variance is.
_FEW_TILES = 1000


def all_numbers(
    real: FeatureSet, synthetic: FeatureSet, *, groups: Sequence[str] | None = None, seed: int = 0
) -> tuple[Number, ...]:
    """Every number between two feature sets, and then the floor of each.

    `groups` are those of the real tiles whose features are kept; `seed` chooses halves and, of very
    many tiles, which are paired. Raises InputError if the feature sets do not fit together.
    """
    found = [_frechet(real, synthetic), *_paired(real, synthetic, seed)]
    floors = [
        floor
        for measure in (FRECHET, KERNEL, PRECISION_RECALL)
        for floor in floors_of(measure, real, groups=groups, seed=seed)
    ]
    return (*found, *floors)


def floors_of(
    measure: Measure, real: FeatureSet, *, groups: Sequence[str] | None = None, seed: int = 0
) -> list[Number]:
    """The numbers between random halves of the real tiles: what a perfect generator would get.

    The median of five seeded splits; with `groups` (patients, slides) each is in one half. Fréchet
    distances grow as tiles get fewer, so the floor of halves lies above that of the whole set: it
    is a scale, not a bound.
    """
    reason = _no_floor_reason(real, measure.fewest)
    splits: list[tuple[Features, Features]] = []
    if reason is None and real.features_ND is not None:
        splits = [
            _some_of_both(halves(real.features_ND, groups, key), measure.most, key)
            for split in range(_SPLITS)
            for key in (key_of(seed, "real versus real", split),)
        ]
        if min(len(half) for split in splits for half in split) < measure.fewest:
            splits, reason = [], "the groups cannot be parted into halves of enough tiles"
    found = [measure.values(*split) for split in splits]
    values = {
        name: [value[name] for value in found if math.isfinite(value[name])]
        for name in measure.names
    }
    n = min((len(half) for split in splits for half in split), default=0)
    of = "tiles" if groups is None else "tiles, groups kept whole,"
    return [
        Number(
            name=FLOOR if name == "frechet_distance" else f"{name}_{FLOOR}",
            value=median(values[name]) if values[name] else None,
            n=n,
            method=f"median of {_SPLITS} random splits of the real {of} into halves; "
            + measure.methods[name],
            reason=reason if reason or values[name] else "it is undefined between halves",
            details=_floor_details(values[name], n),
        )
        for name in measure.names
    ]


def halves(
    features_ND: Features, groups: Sequence[str] | None, key: int
) -> tuple[Features, Features]:
    """Two halves without common tiles; with groups about halves, without common groups."""
    if groups is None:
        order, half = permutation(key, len(features_ND)), len(features_ND) // 2
        return features_ND[order[:half]], features_ND[order[half : 2 * half]]
    names, group_N = np.unique(np.array(groups), return_inverse=True)
    sizes = np.bincount(group_N)
    in_first = np.zeros(len(names), dtype=np.bool_)
    for group in permutation(key, len(names)).tolist():
        # Left out where that leaves the first half nearer to a half of the tiles.
        in_first[group] = sizes[in_first].sum() <= sizes.sum() / 2 - sizes[group] / 2
    chosen_N = in_first[group_N]
    return features_ND[chosen_N], features_ND[~chosen_N]


def _frechet(real: FeatureSet, synthetic: FeatureSet) -> Number:
    value = distance(real, synthetic)
    known = [side.n for side in (real, synthetic) if side.n is not None]
    x_ND, y_MD = real.features_ND, synthetic.features_ND
    interval = None
    if x_ND is None or y_MD is None:
        note = f"no interval: {_statistics_only(real, synthetic)}"
    elif len(x_ND) != real.n or len(y_MD) != synthetic.n:
        note = "no interval: the features of all tiles were too many to keep"
    else:
        variance = sum(np.var(one[:_FEW_TILES], axis=0).sum() for one in (x_ND, y_MD))
        interval = _of_some_width(
            frechet_interval(x_ND, y_MD, value=value, level=LEVEL),
            rounding=_FRECHET_ROUNDING * float(value + variance),
        )
        note = "spread of the estimate at these numbers of tiles; its upward bias is not in it"
        note = note if interval else ALIKE
    return Number(
        name="frechet_distance",
        value=value,
        n=min(known, default=0),
        method=_METHODS["frechet_distance"],
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_FRECHET_INTERVAL if interval else None,
        details={"n_real": real.n, "n_synthetic": synthetic.n, "interval_note": note},
    )


def _paired(real: FeatureSet, synthetic: FeatureSet, seed: int) -> list[Number]:
    if real.features_ND is None or synthetic.features_ND is None:
        reason = _statistics_only(real, synthetic)
        return [_undefined(name, 0, reason) for name in (*KERNEL.names, *PRECISION_RECALL.names)]
    sides = real.features_ND, synthetic.features_ND
    x_ND, y_MD = _some_of_both(sides, MOST_PAIRED, key_of(seed, "paired"))
    return [_kernel_number(x_ND, y_MD, seed), *_manifold_numbers(x_ND, y_MD)]


def _kernel_number(x_ND: Features, y_MD: Features, seed: int) -> Number:
    n = min(len(x_ND), len(y_MD))
    sums = kernel.kernel_sums(x_ND, y_MD)
    made = sums.interval(LEVEL)
    mean_kernel = abs(float(sums.across_x_N.mean())) / len(y_MD)
    interval = made and _of_some_width(made, rounding=_KERNEL_ROUNDING * mean_kernel)
    note = ALIKE if made else f"no interval from {n} tiles of a side"
    return Number(
        name="kid",
        value=sums.distance,
        n=n,
        method=_METHODS["kid"],
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_KERNEL_INTERVAL if interval else None,
        details={
            "n_real": len(x_ND),
            "n_synthetic": len(y_MD),
            "interval_note": None if interval else note,
            "subsets": _subsets(x_ND, y_MD, seed),
        },
    )


def _subsets(x_ND: Features, y_MD: Features, seed: int) -> dict[str, object]:
    """KID as it is often reported: mean and standard deviation of subsets of 1000."""
    if min(len(x_ND), len(y_MD)) <= _SUBSET_SIZE:
        return {"reason": f"no side has more than {_SUBSET_SIZE} tiles to draw from"}
    random = np.random.Generator(np.random.Philox(key_of(seed, "kid subsets") % (1 << 64)))
    found = kernel.subset_distances(x_ND, y_MD, subsets=_SUBSETS, size=_SUBSET_SIZE, random=random)
    return {
        "count": _SUBSETS,
        "size": _SUBSET_SIZE,
        "mean": float(np.mean(found)),
        "standard_deviation": float(np.std(found, ddof=1)),
    }


def _manifold_numbers(x_ND: Features, y_MD: Features) -> list[Number]:
    n = min(len(x_ND), len(y_MD))
    if n < PRECISION_RECALL.fewest:
        neighbours = precision_recall.K_COVERAGE
        reason = f"{PRECISION_RECALL.fewest} tiles a side are needed for {neighbours} neighbours"
        return [_undefined(name, n, reason) for name in PRECISION_RECALL.names]
    found = precision_recall.membership(x_ND, y_MD)
    shares = {
        "precision": ("synthetic", found.in_real_M),
        "recall": ("real", found.in_synthetic_N),
        "coverage": ("real", found.covered_N),
    }
    numbers = {
        name: _number(
            name,
            float(inside.mean()),
            len(inside),
            wilson_interval(int(inside.sum()), len(inside), LEVEL),
            _WILSON.format(role),
        )
        for name, (role, inside) in shares.items()
    }
    error = found.balls_M.std(ddof=1) / found.k_coverage / np.sqrt(len(found.balls_M))
    half = float(NormalDist().inv_cdf((1 + LEVEL) / 2) * error)
    ends = max(found.density - half, 0.0), found.density + half
    interval = _of_some_width(ends, rounding=0.0)
    number = _number("density", found.density, len(y_MD), interval, _DENSITY_INTERVAL)
    note = None if interval else ALIKE
    numbers["density"] = replace(number, details={"interval_note": note})
    return [numbers[name] for name in PRECISION_RECALL.names]


def _of_some_width(interval: tuple[float, float], *, rounding: float) -> tuple[float, float] | None:
    """The interval; None if its width is zero but for rounding, which would claim certainty."""
    low, high = interval
    return None if high - low <= rounding else interval


def _number(
    name: str, value: float, n: int, interval: tuple[float, float] | None, interval_method: str
) -> Number:
    return Number(
        name=name,
        value=value,
        n=n,
        method=_METHODS[name],
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=interval_method if interval else None,
    )


def _undefined(name: str, n: int, reason: str) -> Number:
    return Number(name=name, value=None, n=n, method=_METHODS[name], reason=reason)


def _some_of_both(
    sides: tuple[Features, Features], most: int | None, key: int
) -> tuple[Features, Features]:
    """At most `most` tiles of each side, chosen by `key`, in their order."""
    x_ND, y_MD = (
        features_ND
        if most is None or len(features_ND) <= most
        else features_ND[np.sort(permutation(key_of(key, role), len(features_ND))[:most])]
        for role, features_ND in enumerate(sides)
    )
    return x_ND, y_MD


def _statistics_only(*sides: FeatureSet) -> str:
    name = next(side.name for side in sides if side.features_ND is None)
    return f"{name} is a statistics file: it holds no features"


def _no_floor_reason(real: FeatureSet, fewest: int) -> str | None:
    if real.features_ND is None:
        return f"{real.name} is a statistics file: there are no tiles to split"
    if len(real.features_ND) < 2 * fewest:
        return f"{real.n} real tiles are too few to split into halves of at least {fewest}"
    return None


def _floor_details(values: list[float], n: int) -> dict[str, object]:
    if not values:
        return {}
    return {
        "n_per_half": n,
        "values": values,
        "interval_note": "no interval: values holds that of each split",
    }
