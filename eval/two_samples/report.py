"""Classifier two-sample tests: how well real and synthetic tiles are told apart, scale by scale.

Lopez-Paz & Oquab, "Revisiting classifier two-sample tests", ICLR 2017, with areas under ROC curves
in place of accuracies, and patients kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet, measure
from eval.distances.report import Grouping, groups_of_side, history_of_sides, with_history
from eval.features.extractor import Extractor, Identity
from eval.features.tile_sources import StoredTiles
from eval.statistics.result import Number, Result
from eval.two_samples.areas import METHOD, auc_number
from eval.two_samples.classifiers import CLASSIFIER_OF, USE_OF, Floats, Scores, out_of_fold
from eval.two_samples.folds import folds_of, groups_of
from eval.two_samples.scaled import KINDS, NETWORK, SCALES, SMALLEST_TILE, ScaledExtractor, fits
from eval.two_samples.surest import surest_tiles
from hpc.errors import InputError
from hpc.randomness import key_of, permutation

# Work grows faster than the number of tiles, and an AUC is known well enough by then.
MOST_TILES = 2000
_SHOWN_FEATURES = 5
SUREST, SCORES = "surest", "scores"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the sides are compared.

    `frozen` are the sha256 of networks whose features the generator was trained by; None if that is
    not known.
    """

    seed: int = 0
    batch_size: int = 32
    grouping: Grouping | None = None
    frozen: tuple[str, ...] | None = None
    show_progress: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tiles:
    """Both sides in one table: names, features (N, D), which are synthetic, whose they are."""

    names: list[str]
    features_ND: Floats
    synthetic_N: NDArray[np.bool_]
    groups: list[str]
    fold_N: NDArray[np.int64]


def two_sample_test(
    real: StoredTiles, synthetic: StoredTiles, extractor: Extractor, settings: Settings
) -> Result:
    """The AUC of each kind of features at each scale, what it rests on, and the surest tiles.

    Raises InputError for an extractor that took part in training, for sides of different size, and
    for too few patients.
    """
    require_no_part(extractor.identity, settings.frozen)
    scaled = ScaledExtractor(extractor)
    sides = {
        role: measure(side, scaled, batch_size=settings.batch_size,
                      progress=role if settings.show_progress else None)
        for role, side in (("real", real), ("synthetic", synthetic))
    }  # fmt: skip
    size = _common_size(sides)
    known = groups_of_side(real, sides["real"], settings.grouping)
    tiles = _chosen(sides, known, settings.seed)
    numbers, tables, given = [], {}, {}
    for kind in KINDS:
        for scale in SCALES:
            name = f"auc_{kind}_scale_{scale}"
            if not fits(size, scale):
                numbers.append(_too_small(name, len(tiles.names), size, scale))
                continue
            scores = out_of_fold(
                kind, tiles.features_ND[:, scaled.columns(kind, scale)],
                tiles.synthetic_N, tiles.fold_N,
            )  # fmt: skip
            number = auc_number(
                name, scores.scores_N, tiles.synthetic_N, tiles.fold_N, tiles.groups
            )  # fmt: skip
            told = {"classifier": CLASSIFIER_OF[kind], "use": USE_OF[kind],
                    "features": _most_used(scores, scaled.names[kind])}  # fmt: skip
            numbers.append(replace(number, details=number.details | told))
            tables[name] = surest_tiles(scores.scores_N, tiles.synthetic_N, tiles.names)
            given[name] = [float(f"{score:.6g}") for score in scores.scores_N]
    result = Result(
        kind="c2st",
        inputs={role: _described(side) for role, side in sides.items()},
        settings=_settings(extractor.identity, settings, known),
        numbers=tuple(numbers),
        warnings=tuple(_warnings(sides, known, settings)),
        tables={SUREST: tables, SCORES: _scores(tiles, given)},
    )
    history = history_of_sides({"real": real, "synthetic": synthetic}, settings.seed)
    return with_history(result, history)


def require_no_part(identity: Identity, frozen: tuple[str, ...] | None) -> None:
    """InputError if the generator was trained by this network's features: they flatter it."""
    if frozen is not None and identity.weights_sha256 in frozen:
        raise InputError(
            f"{identity.name} (sha256 {identity.weights_sha256[:12]}…) took part in training the "
            "model: what it sees is what the generator learnt to please. Choose another "
            "--extractor, such as efficientnet-lite2 for efficientnet-lite0."
        )


def _common_size(sides: Mapping[str, FeatureSet]) -> tuple[int, int]:
    (real_name, real), (name, synthetic) = ((s.name, s.tile_size) for s in sides.values())
    if real is None or synthetic is None or real != synthetic:
        raise InputError(
            f"The tiles of {real_name} and {name} differ in size ({real} and {synthetic}, height "
            "and width): a classifier would see just that. Prepare both alike, or give --resize N."
        )
    return real


def _chosen(sides: Mapping[str, FeatureSet], known: Sequence[str] | None, seed: int) -> _Tiles:
    names = {role: list(side.tile_names) for role, side in sides.items()}
    grouped = dict(zip(sides, groups_of(names["real"], names["synthetic"], known), strict=True))
    picked: dict[str, NDArray[np.int64]] = {
        role: np.sort(permutation(key_of(seed, "c2st tiles", role), len(names[role]))[:MOST_TILES])
        for role in sides
    }
    synthetic_N = np.repeat([False, True], [len(rows) for rows in picked.values()])
    groups = [grouped[role][row] for role, rows in picked.items() for row in rows]
    features = [_features(sides[role])[rows] for role, rows in picked.items()]
    return _Tiles(
        names=[names[role][row] for role, rows in picked.items() for row in rows],
        features_ND=np.concatenate(features).astype(np.float64),
        synthetic_N=synthetic_N,
        groups=groups,
        fold_N=folds_of(groups, synthetic_N, seed),
    )


def _features(side: FeatureSet) -> NDArray[np.floating]:
    assert side.features_ND is not None, "it was measured just now"
    return side.features_ND


def _too_small(name: str, n: int, size: tuple[int, int], scale: int) -> Number:
    reason = f"tiles of {size[1]}x{size[0]} pixels are narrower than {SMALLEST_TILE} at 1/{scale}"
    return Number(name=name, value=None, n=n, method=METHOD, reason=reason)


def _most_used(scores: Scores, names: Sequence[str]) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(scores.use_D), kind="stable")[:_SHOWN_FEATURES]
    return [{"feature": names[number], "use": float(scores.use_D[number])} for number in order]


def _scores(tiles: _Tiles, given: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """How surely each tile was called synthetic (above 0) by a classifier that had not seen it."""
    return {
        "images": tiles.names,
        "synthetic": tiles.synthetic_N.tolist(),
        "scores": dict(given),
    }


def _described(side: FeatureSet) -> dict[str, Any]:
    return {
        "name": side.name,
        "n": side.n,
        "tile_size": side.tile_size,
        "preparation": side.preparation,
        "content": asdict(side.content) if side.content else None,
        "bad_tiles": list(side.bad),
    }


def _settings(
    identity: Identity, settings: Settings, known: Sequence[str] | None
) -> dict[str, Any]:
    return {
        "extractor": identity.name,
        "weights_sha256": identity.weights_sha256,
        "preprocessing": identity.preprocessing,
        "classifiers": dict(CLASSIFIER_OF),
        "groups": None if known is None else len(set(known)),
        "frozen_networks": None if settings.frozen is None else list(settings.frozen),
        "seed": settings.seed,
        **({} if settings.grouping is None else settings.grouping.as_dict()),
    }


def _warnings(
    sides: Mapping[str, FeatureSet], known: Sequence[str] | None, settings: Settings
) -> list[str]:
    found = []
    if known is None:
        found.append(
            "The patients of the tiles are not known: a classifier that knows a patient from one "
            "tile tells the next, and the AUC lies too high. --groups keeps patients apart."
        )
    if settings.frozen is None:
        found.append(
            f"Whether the {NETWORK} took part in training is not known: its features would flatter "
            "the tiles. --model names the generator, which knows its frozen networks."
        )
    for side in sides.values():
        if side.bad:
            found.append(
                f"{len(side.bad)} tiles of {side.name} were left out because they cannot be "
                f"measured, first: {side.bad[0]}"
            )
        if (side.n or 0) > MOST_TILES:
            found.append(f"Of {side.n} tiles of {side.name}, {MOST_TILES} drawn ones are compared.")
    return found
