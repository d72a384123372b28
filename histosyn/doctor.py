"""What is wrong with a data set, found in one pass, before a GPU is asked for.

A check is an entry of `PAIR_CHECKS`, asked of one pair after the other, or of `SET_CHECKS`, asked
at the end of what the pass has counted. A pass keeps a few hundred bytes a pair, no pixels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from histosyn.images import read_tile
from histosyn.labels import LabelSchema, read_label_map
from histosyn.pairs import Pair, Pairing, pair_folders
from hpc.errors import DatasetError, LabelError
from hpc.parallel import map_in_order

# The generator's default stride: tiles of other multiples are padded for it, at a cost.
_STRIDE = 32
# Of a finding that recurs, so many places are kept; its count goes on.
KEPT_PLACES = 1000
# Glass is brighter than this in R, G and B. A tile with this share of it has nothing to learn from.
GLASS_VALUE = 220
GLASS_SHARE = 0.97


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of problem: `where` names the first `KEPT_PLACES` of `count` places.

    Training would stop at an "error", and suffer from a "warning".
    """

    severity: Literal["error", "warning"]
    what: str
    where: tuple[str, ...]
    remedy: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What reading one pair tells. A file that cannot be used leaves its facts None.

    Sizes are (H, W); `digest` stands for the tile's pixels; `glass` is the share of them that is
    nearly white; `pixels` (256,) counts the values of the label map.
    """

    pair: Pair
    bad_tile: str | None = None
    unreadable_label: str | None = None
    foreign_label: str | None = None
    tile_size: tuple[int, ...] | None = None
    label_size: tuple[int, ...] | None = None
    digest: bytes | None = None
    glass: float | None = None
    pixels: np.ndarray | None = None


@dataclass(kw_only=True)
class Survey:
    """What the pass has counted so far."""

    schema: LabelSchema
    pairing: Pairing
    findings: dict[str, Finding] = field(default_factory=dict)
    key_of_digest: dict[bytes, str] = field(default_factory=dict)
    tile_sizes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))

    def count(self, look: Look) -> None:
        """Take in the facts of one pair."""
        if look.tile_size is not None:
            self.tile_sizes[look.tile_size] += 1
        if look.digest is not None:
            self.key_of_digest.setdefault(look.digest, look.pair.key)
        if look.pixels is not None:
            self.pixels += look.pixels

    def note(self, check: Check, places: Sequence[str]) -> None:
        """Add the places where a check failed to its finding."""
        if not places:
            return
        known = self.findings.get(check.what) or check.finding(self)
        room = KEPT_PLACES - len(known.where)
        self.findings[check.what] = replace(
            known, where=known.where + tuple(places[:room]), count=known.count + len(places)
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """A question to a pair (`places` gets a Look and the Survey) or to the set (the Survey only).

    `places` answers with a text for each place where something is wrong. `remedy` says what to do;
    one that depends on what was counted is a function of the Survey.
    """

    severity: Literal["error", "warning"]
    what: str
    remedy: str | Callable[[Survey], str]
    places: Callable[..., Sequence[str]]

    def finding(self, survey: Survey) -> Finding:
        """Its finding, as yet of nothing."""
        remedy = self.remedy if isinstance(self.remedy, str) else self.remedy(survey)
        return Finding(severity=self.severity, what=self.what, where=(), remedy=remedy, count=0)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found, errors first, and what the data set holds.

    `class_pixels` (K,) counts the pixels of each class in the label maps that could be read;
    `tile_sizes` counts tiles by (H, W).
    """

    schema: LabelSchema
    pairs: int
    findings: tuple[Finding, ...]
    class_pixels: tuple[int, ...]
    ignored_pixels: int
    tile_sizes: dict[tuple[int, ...], int]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that training would stop at."""
        return tuple(item for item in self.findings if item.severity == "error")

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        names = [item.name for item in self.schema.classes]
        return {
            "schema": self.schema.as_dict(),
            "pairs": self.pairs,
            "ready": not self.errors,
            "findings": [asdict(item) for item in self.findings],
            "class_pixels": dict(zip(names, self.class_pixels, strict=True)),
            "ignored_pixels": self.ignored_pixels,
            "tile_sizes": [
                {"height": height, "width": width, "tiles": count}
                for (height, width), count in self.tile_sizes.items()
            ],
        }


Track = Callable[[Iterator[Look], int], Iterable[Look]]


def examine(
    tiles: Path,
    labels: Path,
    schema: LabelSchema,
    track: Track = lambda looks, total: looks,
) -> Diagnosis:
    """Read every pair of two folders once, on all cores, and say what is wrong with them.

    `track` is handed the looks and their number, to show progress. Raises InputError or
    DatasetError if a folder is missing or empty, or two of its files have the same name.
    """
    pairing = pair_folders(tiles, labels)
    survey = Survey(schema=schema, pairing=pairing)
    looks = map_in_order(partial(look_at, schema=schema), pairing.pairs)
    for look in track(looks, len(pairing.pairs)):
        survey.count(look)
        for check in PAIR_CHECKS:
            survey.note(check, check.places(look, survey))
    for check in SET_CHECKS:
        survey.note(check, check.places(survey))
    return _diagnosis(survey)


def look_at(pair: Pair, schema: LabelSchema) -> Look:
    """Read one pair and keep what the checks need of it."""
    return Look(pair=pair, **_look_at_tile(pair), **_look_at_label(pair, schema))


def _look_at_tile(pair: Pair) -> dict[str, Any]:
    try:
        tile = read_tile(pair.tile, pair.key + pair.tile.suffix)
    except DatasetError as error:
        return {"bad_tile": str(error)}
    return {
        "tile_size": tile.shape[:2],
        "digest": hashlib.sha256(repr(tile.shape).encode() + tile.tobytes()).digest(),
        "glass": float((tile.min(axis=2) > GLASS_VALUE).mean()),
    }


def _look_at_label(pair: Pair, schema: LabelSchema) -> dict[str, Any]:
    try:
        values = read_label_map(pair.label, schema, name=pair.key + pair.label.suffix)
    except LabelError as error:
        return {"foreign_label": str(error)}
    except DatasetError as error:
        return {"unreadable_label": str(error)}
    return {"label_size": values.shape, "pixels": np.bincount(values.ravel(), minlength=256)}


def _message(name: str, look: Look, survey: Survey) -> Sequence[str]:
    message = getattr(look, name)
    return [message] if message else []


def _unequal_sizes(look: Look, survey: Survey) -> Sequence[str]:
    if look.tile_size is None or look.label_size is None or look.tile_size == look.label_size:
        return []
    tile, label = _size_text(look.tile_size), _size_text(look.label_size)
    return [f"{look.pair.key}: the tile has {tile} pixels, its label map {label}"]


def _empty_glass(look: Look, survey: Survey) -> Sequence[str]:
    if look.glass is None or look.glass < GLASS_SHARE:
        return []
    return [f"{look.pair.key}: {look.glass:.1%} nearly white"]


def _copies(look: Look, survey: Survey) -> Sequence[str]:
    first = survey.key_of_digest[look.digest] if look.digest else look.pair.key
    return [] if first == look.pair.key else [f"{look.pair.key} has the pixels of {first}"]


def _lonely_tiles(survey: Survey) -> Sequence[str]:
    return [str(path) for path in survey.pairing.tiles_without_label]


def _lonely_labels(survey: Survey) -> Sequence[str]:
    return [str(path) for path in survey.pairing.labels_without_tile]


def _many_sizes(survey: Survey) -> Sequence[str]:
    sizes = survey.tile_sizes.most_common()
    return [f"{_size_text(size)}: {n} tiles" for size, n in sizes] if len(sizes) > 1 else []


def _one_size(survey: Survey) -> str:
    """How to pack tiles of different sizes."""
    smallest = min(survey.tile_sizes, key=min)
    if min(smallest) < _STRIDE:
        return (
            f"histosyn pack refuses them without --tile-size, and nothing of {_STRIDE} pixels can "
            f"be cut from {_size_text(smallest)}: leave out the tiles smaller than {_STRIDE}."
        )
    side = min(smallest) // _STRIDE * _STRIDE
    return (
        f"histosyn pack refuses them without --tile-size. Pack with --tile-size {side}, which cuts "
        f"all tiles to {side}x{side}."
    )


def _absent_classes(survey: Survey) -> Sequence[str]:
    if not survey.pixels.any():
        return []
    classes = enumerate(survey.schema.classes)
    return [f"{index} {item.name}" for index, item in classes if survey.pixels[index] == 0]


PAIR_CHECKS = (
    Check(
        severity="error",
        what="tiles that cannot be used",
        remedy="Replace or convert these files, or remove them and their label maps.",
        places=partial(_message, "bad_tile"),
    ),
    Check(
        severity="error",
        what="label maps that cannot be read",
        remedy="Replace these files, or remove them and their tiles.",
        places=partial(_message, "unreadable_label"),
    ),
    Check(
        severity="error",
        what="label maps that do not fit the schema",
        remedy="Name the schema that they were drawn with (--schema), or correct them.",
        places=partial(_message, "foreign_label"),
    ),
    Check(
        severity="error",
        what="pairs of unequal size",
        remedy="Cut or scale each label map as its tile was (nearest neighbour).",
        places=_unequal_sizes,
    ),
    Check(
        severity="warning",
        what="tiles that are almost empty glass",
        remedy="Keep a few of them: a generator learns white soon.",
        places=_empty_glass,
    ),
    Check(
        severity="warning",
        what="tiles with the pixels of another one",
        remedy="Keep one of each: a copy on the other side of a split makes results look better.",
        places=_copies,
    ),
)
SET_CHECKS = (
    Check(
        severity="error",
        what="tiles without a label map",
        remedy="Add label maps of the same name, or remove the tiles.",
        places=_lonely_tiles,
    ),
    Check(
        severity="error",
        what="label maps without a tile",
        remedy="Add tiles of the same name, or remove the label maps.",
        places=_lonely_labels,
    ),
    Check(
        severity="warning",
        what="different tile sizes",
        remedy=_one_size,
        places=_many_sizes,
    ),
    Check(
        severity="warning",
        what="classes that never occur",
        remedy="They cannot be learned: add examples, or use a schema without them.",
        places=_absent_classes,
    ),
)


def _diagnosis(survey: Survey) -> Diagnosis:
    classes = len(survey.schema)
    findings = survey.findings.values()
    return Diagnosis(
        schema=survey.schema,
        pairs=len(survey.pairing.pairs),
        findings=tuple(sorted(findings, key=lambda item: (item.severity, -item.count))),
        class_pixels=tuple(int(count) for count in survey.pixels[:classes]),
        ignored_pixels=int(survey.pixels[classes:].sum()),
        tile_sizes=dict(survey.tile_sizes.most_common()),
    )


def _size_text(size: tuple[int, ...]) -> str:
    height, width = size
    return f"{width}x{height}"
