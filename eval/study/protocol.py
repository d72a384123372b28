"""The protocol: what is done and what would be shown, written before any answer is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from eval.features.tile_sources import StoredTiles
from eval.statistics.result import versions
from eval.study.candidates import ARMS
from eval.study.design import Design
from eval.study.drawing import Drawn
from eval.study.separation import Separation

_OUTCOMES = {
    "auc": "area under the ROC curve of the confidence that an image is synthetic, mean of readers",
    "accuracy": "share of images called rightly real or synthetic, mean of readers",
    "dprime": "d' of calling images synthetic (log-linear), mean of readers",
    "pairs": "share of pairs in which the synthetic image was named, mean of readers",
    "agreement": "agreement of readers on the grade, real minus synthetic images",
}
_CHANCE = {"auc": 0.5, "accuracy": 0.5, "dprime": 0.0, "pairs": 0.5, "agreement": 0.0}


def protocol_of(
    design: Design, tiles: Sequence[StoredTiles], drawn: Drawn, found: Separation
) -> dict[str, Any]:
    """Plain data: design, claim, how many images of which class and of how many patients, tiles."""
    return {
        "design": asdict(design) | {"categories": list(design.categories)},
        "primary_outcome": _outcome(design),
        "claim": _claim(design),
        "planned_readers": list(design.reader_names),
        "planned_images": {
            block: {
                arm: {
                    "images": len(of_arm[arm]),
                    "patients": len({tile.patient for tile in of_arm[arm] if tile.patient}) or None,
                    "classes": _classes([tile.tissue for tile in of_arm[arm]]),
                }
                for arm in ARMS
            }
            for block, of_arm in drawn.items()
        },
        "tiles": {
            arm: {"name": side.name, "n": len(side), "sha256": side.content().sha256}
            for arm, side in zip(ARMS, tiles, strict=True)
        },
        "separation": found.as_dict(),
        "versions": versions(),
    }


def _outcome(design: Design) -> str:
    statistic = f" ({design.statistic})" if design.primary == "agreement" else ""
    return _OUTCOMES[design.primary] + statistic


def _claim(design: Design) -> str:
    drawn = (
        "difference of the arms, images drawn (bootstrap of `eval agreement`)"
        if design.primary == "agreement"
        else "mean of readers, readers and images both taken for drawn"
    )
    return (
        f"equivalent to {_CHANCE[design.primary]:g} within ±{design.margin:g}: the 90 % interval "
        f"of the {drawn}, lies within (two one-sided tests at 5 %); naive block only"
    )


def _classes(tissues: Sequence[str]) -> dict[str, int] | None:
    found = {name: tissues.count(name) for name in sorted(set(tissues)) if name}
    return found or None
