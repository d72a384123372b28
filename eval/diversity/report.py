"""Diversity of synthetic tissue: of variants, of stain, and what should not vary, over a canvas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet, measure
from eval.diversity.spreads import like_distances, variant_distances
from eval.diversity.stain import COLOURS, StainExtractor, drift
from eval.features.extractor import Extractor
from eval.features.tile_sources import StoredTiles, TileShards
from eval.statistics.group_ratios import Estimate, mean_of, ratio_number, spread_of
from eval.statistics.result import Number, Result
from eval.two_samples.folds import groups_of, label_key
from hpc.errors import InputError

Floats = NDArray[np.float64]

_VARIANTS = (
    "mean distance of features between variants of a label map, over that between real tiles most "
    "alike in composition, of different patients; features in units of their spread over real tiles"
)
_STAIN = (
    "root of the total variance over tiles of the mean optical densities of tissue, synthetic over "
    "real"
)
_DRIFT = (
    "change of mean optical density from end to end of a canvas, by a plane fitted to windows, "
    "over the spread of real tiles"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the sides are measured."""

    batch_size: int = 32
    show_progress: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """Features in units of real spread, stains of the tiles that have one, and whose they are."""

    features_ND: Floats
    stains_M3: Floats
    groups: list[str]
    stained: NDArray[np.bool_]

    @property
    def spread(self) -> Estimate | None:
        """The spread of the stain; None from fewer than two tiles with one."""
        if self.stained.sum() < 2:
            return None
        groups = [group for group, has in zip(self.groups, self.stained, strict=True) if has]
        return spread_of(self.stains_M3, groups)


def diversity(
    real: TileShards,
    synthetic: StoredTiles,
    extractor: Extractor,
    settings: Settings,
    canvases: Mapping[str, NDArray[np.uint8]] | None = None,
) -> Result:
    """The numbers; `canvases` are large synthetic images (H, W, 3) by name.

    Raises InputError for sides of different size or of fewer than two tiles.
    """
    measured = {
        role: measure(side, StainExtractor(extractor), batch_size=settings.batch_size,
                      progress=role if settings.show_progress else None)
        for role, side in (("real", real), ("synthetic", synthetic))
    }  # fmt: skip
    sizes = {side.tile_size for side in measured.values()}
    if len(sizes) > 1 or any((side.n or 0) < 2 for side in measured.values()):
        raise InputError(
            f"{real.name} and {synthetic.name} must hold at least two tiles each, all of one size, "
            "or their spreads do not compare. Prepare both alike."
        )
    names = {role: list(side.tile_names) for role, side in measured.items()}
    known = real.groups(names["real"])
    groups = groups_of(names["real"], names["synthetic"], known)
    sides = _sides(measured, groups)
    side = sizes.pop()
    assert side is not None, "tiles were measured"
    numbers = [
        _variants(real, names, sides),
        ratio_number("stain_spread", sides["synthetic"].spread, sides["real"].spread, _STAIN,
                     "too few tiles of a side have tissue"),
        *(_drift(name, canvas, min(side), sides["real"].spread)
          for name, canvas in (canvases or {}).items()),
    ]  # fmt: skip
    return Result(
        kind="diversity",
        inputs={role: _described(one) for role, one in measured.items()},
        settings={
            "extractor": extractor.identity.name,
            "weights_sha256": extractor.identity.weights_sha256,
            "preprocessing": extractor.identity.preprocessing,
            "groups": None if known is None else len(set(known)),
        },
        numbers=tuple(numbers),
        warnings=() if known else (_NO_GROUPS,),
    )


_NO_GROUPS = (
    "The patients of the real tiles are not known: tiles most alike in composition may be of one "
    "patient, and intervals take tiles as independent. Pack them with --groups."
)


def _sides(
    measured: Mapping[str, FeatureSet], groups: tuple[list[str], list[str]]
) -> dict[str, _Side]:
    whole = {role: _features(side) for role, side in measured.items()}
    spread_D = whole["real"][:, : -len(COLOURS)].std(axis=0)
    found = {}
    for (role, features_ND), of in zip(whole.items(), groups, strict=True):
        stains_N3 = features_ND[:, -len(COLOURS) :]
        stained = stains_N3[:, 0] >= 0
        standard = features_ND[:, : -len(COLOURS)][:, spread_D > 0] / spread_D[spread_D > 0]
        found[role] = _Side(
            features_ND=standard, stains_M3=stains_N3[stained], groups=of, stained=stained
        )
    return found


def _features(side: FeatureSet) -> Floats:
    assert side.features_ND is not None, "it was measured just now"
    return side.features_ND.astype(np.float64)


def _variants(
    real: TileShards, names: Mapping[str, list[str]], sides: Mapping[str, _Side]
) -> Number:
    distances_K, keys = variant_distances(
        sides["synthetic"].features_ND, [label_key(name) for name in names["synthetic"]]
    )
    reason = "no label map has two variants: make them with histosyn synth --variants 4"
    if not keys:
        return ratio_number("variant_diversity", None, None, _VARIANTS, reason)
    shares_NK = _compositions(real, names["real"])
    likes_N = like_distances(sides["real"].features_ND, shares_NK, sides["real"].groups)
    group_of = {label_key(name): group for name, group in
                zip(names["synthetic"], sides["synthetic"].groups, strict=True)}  # fmt: skip
    synthetic = mean_of(distances_K, [group_of[key] for key in keys]) if distances_K.any() else None
    if synthetic is None:
        reason = "all variants of each label map are equal: their diversity is 0"
    return ratio_number(
        "variant_diversity", synthetic, mean_of(likes_N, sides["real"].groups), _VARIANTS, reason
    )


def _compositions(real: TileShards, names: list[str]) -> Floats:
    """Shares (N, K) of the classes in the label maps of real tiles."""
    classes = len(real.reader.index.schema)
    shares = {}
    for row in range(len(real)):
        if (name := real.tile_name(row)) in names:
            _, labels_HW = real.reader.read(*real.reader.index.place(row))
            counts = np.bincount(labels_HW.ravel(), minlength=classes)[:classes]
            shares[name] = counts / max(counts.sum(), 1)
    return np.stack([shares[name] for name in names])


def _drift(name: str, canvas_HWC: NDArray[np.uint8], window: int, real: Estimate | None) -> Number:
    change, windows = drift(canvas_HWC, window)
    defined = np.isfinite(change) and real is not None and real.value > 0
    return Number(
        name=f"drift_{name}",
        value=change / real.value if defined and real is not None else None,
        n=windows,
        method=_DRIFT,
        reason=None if defined else f"fewer than four windows of {window} pixels have tissue",
        details={"density": change if defined else None,
                 "interval_note": "no interval: it is a single canvas"},
    )  # fmt: skip


def _described(side: FeatureSet) -> dict[str, Any]:
    return {
        "name": side.name,
        "n": side.n,
        "tile_size": side.tile_size,
        "preparation": side.preparation,
        "content": asdict(side.content) if side.content else None,
        "bad_tiles": list(side.bad),
    }
