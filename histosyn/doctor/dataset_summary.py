"""The summary of a whole data set, added up pair by pair; and what a check of it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from histosyn.doctor import finding as findings_module
from histosyn.doctor.finding import Finding
from histosyn.doctor.interpretation import Interpretation
from histosyn.doctor.pair_summary import PairSummary
from histosyn.labels.instances import Numbering
from histosyn.labels.label_map import UnknownValue
from histosyn.labels.schema import LabelSchema
from histosyn.sources.pairs import Pairing
from histosyn.sources.tile_facts import TEST, TRAIN, VAL, TileFacts

# Folders that say which part of a split lies in them.
_PART_OF_FOLDER = {
    "train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST,
    "testing": TEST,
}  # fmt: skip
# Different strange colours or values that are told apart.
_KEPT_VALUES = 10_000
_NAMED_FILES = 3


@dataclass(kw_only=True)
class Tally:
    """How often an unknown value was met: pixels, files, and the first files' names."""

    unknown_value: UnknownValue
    pixels: int = 0
    files: int = 0
    first: tuple[str, ...] = ()

    def count(self, pixels: int, file: str) -> None:
        """Take in one more file."""
        self.pixels += pixels
        self.files += 1
        if len(self.first) < _NAMED_FILES:
            self.first += (file,)


@dataclass(kw_only=True)
class DatasetSummary:
    """Counts over all pairs read so far.

    The schema was given or `proposed`. `facts` is what a CSV says of tiles by key, None without
    one. `class_pixels` and `class_tiles` (256,) count by class index, `class_tiles_of` the latter
    for each part of a split, `tile_of_class` names the first; `unknown_pixels` are of no class.
    `unknown_values` are counted by value or colour; `strange_files` names the files that hold them,
    and `forms` those read by colour (True) or by index (False). `palette` names the first file in
    which an index has a colour although it is read by index. `numbering` is of files whose values
    count.
    """

    schema: LabelSchema | None
    pairing: Pairing
    facts: Mapping[str, TileFacts] | None = None
    naming_hint: str = ""
    proposed: bool = False
    findings: dict[str, Finding] = field(default_factory=dict)
    key_of_digest: dict[bytes, str] = field(default_factory=dict)
    tile_sizes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    key_of_size: dict[tuple[int, ...], str] = field(default_factory=dict)
    class_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    class_tiles: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    class_tiles_of: dict[str, np.ndarray] = field(default_factory=dict)
    tile_of_class: dict[int, str] = field(default_factory=dict)
    unknown_pixels: int = 0
    unknown_values: dict[int | str, Tally] = field(default_factory=dict)
    strange_files: dict[str, list[str]] = field(default_factory=lambda: {"color": [], "value": []})
    forms: dict[bool, list[str]] = field(default_factory=lambda: {True: [], False: []})
    palette: dict[int, dict[str, str]] = field(default_factory=dict)
    numbering: Numbering = field(default_factory=Numbering)
    key_of_mpp: dict[float, str] = field(default_factory=dict)
    tiles_of_mpp: Counter[float] = field(default_factory=Counter)
    ink_of: dict[str, float] = field(default_factory=dict)
    sharpness_of: dict[str, tuple[float, float]] = field(default_factory=dict)

    def count(self, summary: PairSummary) -> None:
        """Take in the facts of one pair."""
        key = summary.pair.key
        if summary.tile.size is not None:
            self.tile_sizes[summary.tile.size] += 1
            self.key_of_size.setdefault(summary.tile.size, key)
        if summary.tile.digest is not None:
            self.key_of_digest.setdefault(summary.tile.digest, key)
        if summary.tile.ink is not None:
            self.ink_of[key] = summary.tile.ink
        if summary.tile.sharpness is not None:
            self.sharpness_of[key] = summary.tile.sharpness
        mpp = self.mpp_of(summary)
        if mpp is not None:
            self.key_of_mpp.setdefault(mpp, key)
            self.tiles_of_mpp[mpp] += 1
        self._count_label(summary)

    def _count_label(self, summary: PairSummary) -> None:
        interpretation = summary.label.interpretation
        if interpretation is None:
            return
        self.class_pixels += interpretation.pixels
        self._count_classes(summary.pair.key, interpretation.pixels > 0)
        self.unknown_pixels += interpretation.unknown
        if summary.label.areas is not None and self._counts_values(interpretation):
            self.numbering.count(summary.label_name, summary.label.areas)
        if interpretation.trouble is None and interpretation.by_color is not None:
            _add(self.forms[interpretation.by_color], summary.label_name)
        for index, color in interpretation.palette:
            self.palette.setdefault(index, {}).setdefault(color, summary.label_name)
        if interpretation.unknown_values and interpretation.trouble is not None:
            _add(self.strange_files[interpretation.trouble], summary.label_name)
        for unknown_value in interpretation.unknown_values:
            if unknown_value.code in self.unknown_values or len(self.unknown_values) < _KEPT_VALUES:
                tally = self.unknown_values.setdefault(
                    unknown_value.code, Tally(unknown_value=unknown_value)
                )
                tally.count(unknown_value.pixels, summary.label_name)

    def _count_classes(self, key: str, present: np.ndarray) -> None:
        self.class_tiles += present
        for index in np.flatnonzero(present).tolist():
            self.tile_of_class.setdefault(index, key)
        part = self.part_of(key)
        if part is not None:
            none = np.zeros(256, dtype=np.int64)
            self.class_tiles_of[part] = self.class_tiles_of.get(part, none) + present

    def _counts_values(self, interpretation: Interpretation) -> bool:
        """Whether it is a file's values that count, and not colours that a schema knows."""
        return interpretation.by_color is False or (
            interpretation.by_color is None and self.proposed
        )

    def note(self, check: Check, places: Sequence[str]) -> None:
        """Add the places where a check failed to its finding."""
        if not places:
            return
        known = self.findings.get(check.what) or check.finding(self)
        room = findings_module.KEPT_PLACES - len(known.where)
        self.findings[check.what] = replace(
            known, where=known.where + tuple(places[:room]), count=known.count + len(places)
        )

    def part_of(self, key: str) -> str | None:
        """On which side of a split a tile is: as the CSV says, or else the top-level folder."""
        facts = self.facts_of(key)
        if facts is not None and facts.part is not None:
            return facts.part
        folder, slash, _ = key.partition("/")
        return _PART_OF_FOLDER.get(folder.lower()) if slash else None

    def mpp_of(self, summary: PairSummary) -> float | None:
        """Microns per pixel of a tile: as the CSV says, or else its file."""
        facts = self.facts_of(summary.pair.key)
        mpp = summary.tile.header.mpp if facts is None or facts.mpp is None else facts.mpp
        return None if mpp is None else float(f"{mpp:.4g}")

    def facts_of(self, key: str) -> TileFacts | None:
        """What the CSV says of a tile, if anything."""
        return None if self.facts is None else self.facts.get(key)


def _add(names: list[str], name: str) -> None:
    if len(names) < findings_module.KEPT_PLACES:
        names.append(name)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check of each pair of files, or of the whole data set.

    `places` gets the PairSummary and the DatasetSummary, or the latter only, and returns a text for
    each place where something is wrong. `remedy` says what to do; one that depends on what was
    counted is a function of the DatasetSummary, as is `files`.
    """

    severity: Literal["error", "warning"]
    what: str
    remedy: str | Callable[[DatasetSummary], str]
    places: Callable[..., Sequence[str]]
    files: Callable[[DatasetSummary], Sequence[str]] | None = None

    def finding(self, dataset: DatasetSummary) -> Finding:
        """Its finding, as yet of nothing."""
        return Finding(
            severity=self.severity,
            what=self.what,
            where=(),
            remedy=self.remedy if isinstance(self.remedy, str) else self.remedy(dataset),
            count=0,
            files=() if self.files is None else tuple(self.files(dataset)),
        )
