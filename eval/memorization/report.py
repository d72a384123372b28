"""Memorization: are synthetic tiles nearer to training tiles than unseen real ones are?

The question, and held-out real tiles as the yardstick, are those of Meehan, Chaudhuri & Dasgupta,
"A non-parametric test to detect data-copying in generative models", AISTATS 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet, measure
from eval.distances.report import Grouping, groups_of_side
from eval.features.extractor import Extractor
from eval.features.tile_sources import StoredTiles, TileFolder
from eval.memorization.neighbours import SYMMETRIES, Nearest, nearest
from eval.memorization.views import FEATURES, SPACES, ViewExtractor
from eval.statistics.group_ratios import mean_of, ratio_number
from eval.statistics.proportions import wilson_interval
from eval.statistics.result import Number, Result
from eval.two_samples.folds import groups_of
from hpc.errors import InputError
from hpc.log import progress_bar

ROLES = ("training", "synthetic", "held_out")
SHOWN_PAIRS = 8
# As many as a plot has room for.
_SHOWN_DISTANCES = 2000
_LEVEL = 0.95
# Standard deviation of a thumbnail's values, below which it shows next to nothing.
_BLANK = 0.02
_RATIO = (
    "mean distance to the nearest training tile under the eight symmetries, synthetic over held-out"
)
_NEARER = (
    "share of synthetic tiles that are nearer to a training tile than every held-out tile is; by "
    "chance one in the number of held-out tiles + 1"
)
_UNTRAINED = (
    "The features are those of a random network, which knows no tissue: --extractor names others."
)
_SPACE_WORDS = {
    FEATURES: "features in units of their spread over training tiles",
    "pixels": "tiles averaged to 16 x 16 pixels, values 0 to 1",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the sides are measured; `grouping` names patients of held-out and training tiles."""

    batch_size: int = 32
    grouping: Grouping | None = None
    show_progress: bool = False


def memorization(
    training: StoredTiles,
    synthetic: StoredTiles,
    held_out: StoredTiles,
    extractor: Extractor,
    settings: Settings = Settings(),
) -> Result:
    """The numbers, and the closest pairs in `tables`.

    Raises InputError for sides of different size and for a held-out tile that was trained on.
    """
    sources = dict(zip(ROLES, (training, synthetic, held_out), strict=True))
    views, sides = _measured(sources, extractor, settings)
    _common_size(sides)
    blank = {role: _leave_out_blank(sides, role, views) for role in ROLES}
    found = {
        space: {role: _nearest(views, sides, role, space, settings) for role in ROLES[1:]}
        for space in SPACES
    }
    _require_held_out(sides, found["pixels"]["held_out"])
    known = _groups(sources, sides, settings)
    numbers = [
        number
        for space in SPACES
        for number in _numbers(space, found[space]["synthetic"], found[space]["held_out"], known)
    ]
    return Result(
        kind="memorization",
        inputs={role: _described(side) for role, side in sides.items()},
        settings=_settings(extractor, settings, known),
        numbers=tuple(numbers),
        warnings=tuple(_warnings(sources, sides, known, extractor, blank)),
        tables={
            "closest": {space: _closest(sides, found[space]) for space in SPACES},
            "distances": {
                space: {
                    role: one.distance_N[:_SHOWN_DISTANCES].round(6).tolist()
                    for role, one in found[space].items()
                }
                for space in SPACES
            },
        },
    )


def _measured(
    sources: Mapping[str, StoredTiles], extractor: Extractor, settings: Settings
) -> tuple[ViewExtractor, dict[str, FeatureSet]]:
    plain = ViewExtractor(extractor)
    square = _is_square(sources["training"])
    turns = tuple(range(SYMMETRIES)) if square else tuple(range(0, SYMMETRIES, 2))
    all_turns = ViewExtractor(extractor, turns)
    return plain, {
        role: measure(source, plain if role == "training" else all_turns,
                      batch_size=settings.batch_size,
                      progress=role.replace("_", "-") if settings.show_progress else None)
        for role, source in sources.items()
    }  # fmt: skip


def _leave_out_blank(sides: dict[str, FeatureSet], role: str, views: ViewExtractor) -> int:
    """Take out tiles that show next to nothing: all glass is alike. Returns how many there were.

    Raises InputError if nothing is left to compare.
    """
    side, fewest = sides[role], 2 if role == "training" else 1
    kept_N = _features(side)[:, views.columns("pixels")].std(axis=1) >= _BLANK
    if kept_N.sum() < fewest:
        raise InputError(
            f"{side.name} has {kept_N.sum()} tiles that show tissue, too few to compare. Give more."
        )
    names = tuple(name for name, keep in zip(side.tile_names, kept_N, strict=True) if keep)
    sides[role] = replace(side, summary=_features(side)[kept_N], sample_MD=None, tile_names=names)
    return int((~kept_N).sum())


def _is_square(source: StoredTiles) -> bool:
    for batch in source.batches(1):
        if batch.rows:
            return batch.tiles_NHWC.shape[1] == batch.tiles_NHWC.shape[2]
    return True


def _features(side: FeatureSet) -> NDArray[np.float32]:
    assert side.features_ND is not None, "it was measured just now"
    return side.features_ND.astype(np.float32)


def _nearest(
    views: ViewExtractor,
    sides: Mapping[str, FeatureSet],
    role: str,
    space: str,
    settings: Settings,
) -> Nearest:
    columns = views.columns(space)
    training_MD = _features(sides["training"])[:, columns]
    queries = _features(sides[role])
    queries_NSD = queries.reshape(len(queries), -1, views.width)[:, :, columns]
    if space == FEATURES:
        spread_D = training_MD.std(axis=0)
        varies = spread_D > 0
        training_MD = training_MD[:, varies] / spread_D[varies]
        queries_NSD = queries_NSD[:, :, varies] / spread_D[varies]
    if not settings.show_progress:
        return nearest(queries_NSD, training_MD)
    what = f"neighbours by {space}, {role.replace('_', '-')}"
    with progress_bar(total=len(queries), done=0, what=what) as advance:
        return nearest(queries_NSD, training_MD, advance)


def _numbers(
    space: str, synthetic: Nearest, held_out: Nearest, known: dict[str, list[str]]
) -> tuple[Number, Number]:
    method = f"{_RATIO}; {_SPACE_WORDS[space]}"
    real = mean_of(held_out.distance_N, known["held_out"]) if held_out.distance_N.any() else None
    made = mean_of(synthetic.distance_N, known["synthetic"]) if synthetic.distance_N.any() else None
    ratio = ratio_number(
        f"distance_ratio_{space}", made, real, method,
        "all synthetic tiles are copies: every distance is 0" if made is None
        else "all distances of held-out tiles are 0",
    )  # fmt: skip
    n, least = len(synthetic.distance_N), float(held_out.distance_N.min())
    nearer = int((synthetic.distance_N < least).sum())
    return ratio, Number(
        name=f"nearer_than_all_{space}",
        value=nearer / n,
        n=n,
        method=_NEARER,
        interval=wilson_interval(nearer, n, _LEVEL),
        interval_level=_LEVEL,
        interval_method="Wilson 1927, tiles as independent",
        details={
            "count": nearer,
            "by_chance": 1 / (len(held_out.distance_N) + 1),
            "limit": least,
            "interval_note": None,
        },
    )


def _closest(sides: Mapping[str, FeatureSet], found: Mapping[str, Nearest]) -> dict[str, Any]:
    """The closest pairs of synthetic and of held-out tiles, the closest first."""
    return {
        role: [
            {
                "tile": sides[role].tile_names[row],
                "training_tile": sides["training"].tile_names[one.row_N[row]],
                "symmetry": int(one.turn_N[row]),
                "distance": float(one.distance_N[row]),
            }
            for row in np.argsort(one.distance_N, kind="stable")[:SHOWN_PAIRS].tolist()
        ]
        for role, one in found.items()
    }


def _groups(
    sources: Mapping[str, StoredTiles], sides: Mapping[str, FeatureSet], settings: Settings
) -> dict[str, list[str]]:
    """The patient of each synthetic and held-out tile; without patients, its label map."""
    known = {
        role: groups_of_side(sources[role], sides[role], _grouping(sources[role], settings))
        for role in ("training", "held_out")
    }
    real_names = [name for role in known for name in sides[role].tile_names]
    own = None
    if all(groups is not None for groups in known.values()):
        own = [group for groups in known.values() for group in groups or ()]
    real, synthetic = groups_of(real_names, sides["synthetic"].tile_names, own)
    count = len(sides["training"].tile_names)
    return {
        "training": real[:count],
        "held_out": real[count:],
        "synthetic": synthetic,
        "known": [] if own is None else ["patients"],
    }


def _grouping(source: StoredTiles, settings: Settings) -> Grouping | None:
    """Shards know their patients themselves, also beside a folder that has a table."""
    return settings.grouping if isinstance(source, TileFolder) else None


def _common_size(sides: Mapping[str, FeatureSet]) -> None:
    sizes = {side.tile_size for side in sides.values()}
    if len(sizes) > 1:
        told = "; ".join(f"{side.name}: {side.tile_size}" for side in sides.values())
        raise InputError(
            f"Tiles of different size have no distance ({told}, height and width). Prepare all "
            "alike, or give --resize N."
        )


def _require_held_out(sides: Mapping[str, FeatureSet], found: Nearest) -> None:
    if found.distance_N.min() > 0:
        return
    row = int(found.distance_N.argmin())
    tile = sides["held_out"].tile_names[row]
    other = sides["training"].tile_names[found.row_N[row]]
    raise InputError(
        f"{tile} of {sides['held_out'].name} is {other} of {sides['training'].name}: held-out "
        "tiles must be ones that were not trained on. Give those of other patients."
    )


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
    extractor: Extractor, settings: Settings, known: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "extractor": extractor.identity.name,
        "weights_sha256": extractor.identity.weights_sha256,
        "preprocessing": extractor.identity.preprocessing,
        "groups": len(set(known["held_out"])) if known["known"] else None,
        **({} if settings.grouping is None else settings.grouping.as_dict()),
    }


def _warnings(
    sources: Mapping[str, StoredTiles],
    sides: Mapping[str, FeatureSet],
    known: dict[str, list[str]],
    extractor: Extractor,
    blank: Mapping[str, int],
) -> list[str]:
    found = [_UNTRAINED] if extractor.identity.name == "random" else []
    shared = set(known["training"]) & set(known["held_out"]) if known["known"] else set()
    if shared:
        found.append(
            f"{len(shared)} patients have training and held-out tiles, such as {min(shared)}: "
            "held-out tiles then lie too near, and copies are overlooked."
        )
    if not known["known"]:
        found.append(
            "The patients of the tiles are not known: intervals take tiles as independent, and "
            "held-out tiles may be of patients that were trained on. --groups names them."
        )
    if any(blank.values()):
        told = ", ".join(f"{count} {role.replace('_', '-')}" for role, count in blank.items())
        found.append(f"Tiles that show next to nothing were left out: {told}.")
    for role, side in sides.items():
        if side.bad:
            found.append(
                f"{len(side.bad)} tiles of {side.name} were left out because they cannot be "
                f"measured, first: {side.bad[0]}"
            )
        kept = len(side.tile_names) + blank[role]
        if kept < (side.n or 0):
            found.append(
                f"Of {len(sources[role])} {role.replace('_', '-')} tiles {kept} drawn ones are "
                "compared: that is what fits into memory."
            )
    return found


def sentence_of(numbers: Sequence[Number]) -> str:
    """What a reader should look at first."""
    by_name = {number.name: number for number in numbers}
    counts = [by_name[f"nearer_than_all_{space}"].details["count"] for space in SPACES]
    n = by_name["nearer_than_all_features"].n
    return (
        f"Of {n} synthetic tiles {counts[0]} by features and {counts[1]} by pixels are nearer to a "
        "training tile than every held-out tile is. Look at the closest pairs (--sheet)."
    )
