"""Hints why files have no partner: names that differ in case, or by a suffix such as `_mask`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from histosyn.sources.pairs import Naming, Pairing

# So many tiles suggest how the names go; all of them say which suggestion is best.
_ASKED_TILES = 200
_TRIED_SUFFIXES = 20
_SEPARATORS = "-_. "
_LAST_WORD = re.compile(r"[-_. ]+[^-_. /]*$")


def naming_hint(pairing: Pairing, tiles: Path, labels: Path) -> str:
    """A sentence on how the files without a partner could be paired, or ""."""
    tile_names = _names(pairing.tiles_without_label, tiles)
    label_names = _names(pairing.labels_without_tile, labels)
    naming, count = common_suffixes(tile_names, label_names)
    if count:
        options = " ".join(
            f"--{side}-suffix={suffix}"
            for side, suffix in (("tile", naming.tile_suffix), ("label", naming.label_suffix))
            if suffix
        )
        return f"{options} would pair {count} of them."
    lower = {name.lower(): name for name in label_names}
    alike = [(name, lower[name.lower()]) for name in tile_names if name.lower() in lower]
    if not alike:
        return ""
    return (
        f"{len(alike)} differ only in upper and lower case, like {alike[0][0]} and {alike[0][1]}."
    )


def common_suffixes(tiles: Sequence[str], labels: Sequence[str]) -> tuple[Naming, int]:
    """The naming that pairs most of these names (without type), and how many it pairs."""
    known = set(labels)
    best, most = Naming(), 0
    for tile_suffix, label_suffix in _candidates(tiles, sorted(labels)):
        stems = (name.removesuffix(tile_suffix) for name in tiles if name.endswith(tile_suffix))
        count = sum(stem + label_suffix in known for stem in stems if stem)
        if count > most:
            best, most = Naming(tile_suffix=tile_suffix, label_suffix=label_suffix), count
    return best, most


def _candidates(tiles: Sequence[str], labels: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of suffixes by which a few tiles differ from labels (sorted), most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for tile in tiles[:: max(1, len(tiles) // _ASKED_TILES)]:
        for stem in _stems(tile):
            found.update((tile[len(stem) :], ending) for ending in _endings(stem, labels))
    return [suffixes for suffixes, _ in found.most_common(_TRIED_SUFFIXES) if any(suffixes)]


def _stems(name: str) -> Iterator[str]:
    """The name, and the name without its last word."""
    yield name
    match = _LAST_WORD.search(name)
    if match and match.start() > 0:
        yield name[: match.start()]


def _endings(stem: str, labels: Sequence[str]) -> set[str]:
    """How labels (sorted) that begin with `stem` go on."""
    places = (bisect_left(labels, stem + separator) for separator in ("", *_SEPARATORS))
    nearest = (labels[place] for place in places if place < len(labels))
    return {label[len(stem) :] for label in nearest if label.startswith(stem)}


def _names(paths: Sequence[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
