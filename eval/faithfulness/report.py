"""Label faithfulness: does a segmenter find in synthetic tiles the tissue that was asked for?

A segmenter trained on real tiles segments the synthetic ones; its predictions are compared with the
label maps they were made from, beside its scores on held-out real tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eval.faithfulness.scores import (
    Side,
    difference_numbers,
    few_units_warning,
    numbers_of,
    sides_of,
)
from eval.segmenter.confusion import TileConfusions, confusions_of_tiles, require_all
from eval.segmenter.labelled_tiles import LabelledTiles, ShardTiles
from eval.segmenter.model import Segmenter
from eval.statistics.interval import INTERVAL_LEVEL
from eval.statistics.result import Number, Result

SYNTHETIC, REAL = "synthetic", "real"
# Wraps rows, to show progress of what is read.
Show = Callable[[range, str], Iterable[int]]
_ONE_SIDE = (
    "Without held-out real tiles (--real) a low score may be the segmenter's fault as well as the "
    "generator's."
)
_SEEN = (
    "The segmenter was trained on these very real tiles, so it reads them better than others. Give "
    "real tiles of held-out patients."
)

_SELECTED = (
    "The synthetic tiles were selected by what this very segmenter reads in them, so that it reads "
    "them well whatever they are. Give another segmenter, or tiles that were not selected."
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How faithfulness is measured; `batch_size` changes speed and memory only."""

    replicates: int = 2000
    seed: int = 0
    batch_size: int = 16
    on_bad_tile: Literal["error", "skip"] = "error"


def faithfulness(
    segmenter: Segmenter,
    synthetic: LabelledTiles,
    real: ShardTiles | None,
    settings: Settings,
    show: Show = lambda rows, what: rows,
) -> Result:
    """Scores of the segmenter on synthetic tiles and on real ones, and their difference.

    Raises InputError if classes differ, and DatasetError, naming all of them, for tiles that cannot
    be used unless they are to be skipped.
    """
    sources: dict[str, LabelledTiles] = {SYNTHETIC: synthetic}
    if real is not None:
        sources[REAL] = real
    confusions_of: dict[str, TileConfusions] = {}
    for name, tiles in sources.items():
        confusions_of[name] = confusions_of_tiles(
            segmenter,
            tiles,
            batch_size=settings.batch_size,
            track=lambda rows, name=name: show(rows, f"{name} tiles"),  # type: ignore[misc]
        )
        if settings.on_bad_tile == "error":
            require_all(confusions_of[name], name, len(tiles))
    sides = sides_of(confusions_of, replicates=settings.replicates, seed=settings.seed)
    return Result(
        kind="faithfulness",
        inputs={
            "segmenter": _segmenter_facts(segmenter),
            **{side.name: _side_facts(sources[side.name], side) for side in sides},
        },
        settings={**asdict(settings), "interval_level": INTERVAL_LEVEL},
        numbers=tuple(_numbers(sides, segmenter)),
        warnings=tuple(_warnings(segmenter, real, sides, synthetic)),
        tables={
            "classes": [item.name for item in segmenter.facts.schema.classes],
            "confusion": {side.name: side.confusion.tolist() for side in sides},
        },
    )


def _numbers(sides: list[Side], segmenter: Segmenter) -> list[Number]:
    schema = segmenter.facts.schema
    numbers = [number for side in sides for number in numbers_of(side, schema)]
    if len(sides) == 2:
        first, second = sides
        numbers += difference_numbers(first, second, schema)
    return numbers


def _segmenter_facts(segmenter: Segmenter) -> dict[str, Any]:
    facts = segmenter.facts
    return {
        "sha256": segmenter.sha256,
        "network": asdict(facts.network),
        "schema": facts.schema.name,
        "mpp": facts.mpp,
        "training": facts.training,
    }


def _side_facts(tiles: LabelledTiles, side: Side) -> dict[str, Any]:
    return {
        "name": tiles.name,
        "tiles": len(side.confusions.label_keys),
        "units": list(side.units) if side.confusions.by_group else len(side.units),
        "drawn_by": side.unit,
        "content": {what: asdict(content) for what, content in tiles.content().items()},
        "bad_tiles": list(side.confusions.bad),
    }


def _warnings(
    segmenter: Segmenter,
    real: ShardTiles | None,
    sides: list[Side],
    synthetic: LabelledTiles,
) -> list[str]:
    found = [few_units_warning(side) for side in sides]
    content = synthetic.content().get("tiles")
    if content is not None and segmenter.sha256 in content.selected_by:
        found.append(_SELECTED)
    if real is None:
        found.append(_ONE_SIDE)
    else:
        index, facts = real.reader.index, segmenter.facts
        trained_on = set(facts.training.get("shards_sha256", ()))
        if trained_on & {shard.sha256 for shard in index.shards}:
            found.append(_SEEN)
        if facts.mpp is not None and index.mpp is not None and facts.mpp != index.mpp:
            found.append(
                f"The segmenter learnt at {facts.mpp:g} microns per pixel, the real tiles have "
                f"{index.mpp:g}."
            )
    return [text for text in found if text is not None]
