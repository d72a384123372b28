"""Suffixes and file types by which names of tiles and of label maps differ."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histosyn.images.formats import FORMATS
from histosyn.sources.files import SOURCE_SUFFIXES
from hpc.errors import ConfigError

_JPEG_SUFFIXES = frozenset(next(item.suffixes for item in FORMATS if item.name == "JPEG"))
# How label maps are often called beside their tiles.
_USUAL_ENDINGS = (
    "_mask", "-mask", "_masks", "_label", "_labels", "-label", "-labels", "_anno",
    "_seg", "_gt",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How names of a side end, "_mask" or ".png" or "_mask.png": `words`, then perhaps a `kind`."""

    words: str = ""
    kind: str = ""

    @classmethod
    def of(cls, suffix: str) -> Ending:
        """What a user has written."""
        kind = Path(f"x{suffix}").suffix.lower()
        if kind not in SOURCE_SUFFIXES:
            return cls(words=composed(suffix))
        return cls(words=composed(suffix[: -len(kind)]), kind=kind)

    def fits(self, path: Path) -> bool:
        """Whether a file is called so."""
        stem = composed(path.stem)
        return (
            stem.endswith(self.words)
            and len(stem) > len(self.words)
            and self.kind in ("", path.suffix.lower())
        )

    def says_more_than(self, other: Ending) -> bool:
        """Which of two that fit counts: a_mask is no tile named a_mask."""
        return (len(self.words), len(self.kind)) > (len(other.words), len(other.kind))


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How files are called: a key, the suffix of their side, the type: a_he.png and a_mask.png.

    With suffixes, tiles and label maps may lie in one folder. A suffix may be or include a type:
    `.jpg` and `.png`.
    """

    tile_suffix: str = ""
    label_suffix: str = ""

    @property
    def tile(self) -> Ending:
        """How names of tiles end."""
        return Ending.of(self.tile_suffix)

    @property
    def label(self) -> Ending:
        """How names of label maps end."""
        return Ending.of(self.label_suffix)


def composed(name: str) -> str:
    """A name in Unicode's composed form: an umlaut is one character or two, as a system likes."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_jpeg(path: Path) -> bool:
    """Whether a file is called one."""
    return path.suffix.lower() in _JPEG_SUFFIXES


def told_apart_by_type(paths: Sequence[Path]) -> bool:
    """Whether JPEGs in a folder have partners of the same name: tiles, and label maps of QuPath.

    No label map can be a JPEG.
    """
    jpegs = {composed(str(path.with_suffix(""))) for path in paths if is_jpeg(path)}
    return any(not is_jpeg(path) and composed(str(path.with_suffix(""))) in jpegs for path in paths)


def not_told_apart(paths: Sequence[Path], folder: Path) -> ConfigError:
    """The error, with what to write, for a folder that is to hold both sides in no known way."""
    return ConfigError(
        f"{folder} is to hold tiles and label maps. {_advice(paths)}, or give two folders."
    )


def _advice(paths: Sequence[Path]) -> str:
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_stem[composed(str(path.with_suffix("")))].append(path.suffix)
    for ending in _USUAL_ENDINGS:
        if count := sum(stem + ending in by_stem for stem in by_stem):
            return (
                f"{count} of its names come with and without {ending}: pass --label-suffix {ending}"
            )
    kinds = Counter(tuple(sorted(found)) for found in by_stem.values() if len(set(found)) == 2)
    if kinds:
        (one, other), _ = kinds.most_common(1)[0]
        return (
            f"Say of which type each is: --tile-suffix {other} --label-suffix {one} or the other "
            "way round"
        )
    return "Say how the names of each end, for instance with --label-suffix _mask"
