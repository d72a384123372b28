"""Features that were made once are not made again: a file for each content, extractor and resize.

The key is a digest of what determines features, so nothing in the cache is ever out of date: other
tiles, weights or preparations have another key. Any file, or the whole folder, may be deleted.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.distances import feature_set
from eval.distances.part_file import read_part, write_part
from eval.distances.parts import MeasuredPart
from eval.features.content import Content
from eval.features.extractor import Identity
from eval.features.tile_sources import StoredTiles
from hpc.errors import DatasetError
from hpc.files import sha256_of_bytes
from hpc.temporary_names import remove_leftovers
from hpc.user_folders import cache_folder

logger = logging.getLogger("histosyn")

# Of what a file holds, and of how the extractors here compute: another number, other keys.
_VERSION = 2


def default_folder() -> Path:
    """`histosyn/features` in the user's cache: XDG_CACHE_HOME, or .cache at home."""
    return cache_folder() / "features"


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """Measured sides in `folder`."""

    folder: Path

    def path(self, source: StoredTiles, identity: Identity, content: Content) -> Path:
        """Where the features of these tiles by this extractor are, or would be."""
        facts = {
            "version": _VERSION,
            "content": content.sha256,
            "total": len(source),
            "preparation": source.preparation,
            "extractor": {**asdict(identity), "caveat": None},
            "kept_numbers": feature_set.KEPT_NUMBERS,
            "on_bad_tile": source.on_bad_tile,
        }
        return self.folder / f"{sha256_of_bytes(json.dumps(facts, sort_keys=True).encode())}.npz"

    def load(self, path: Path, identity: Identity) -> MeasuredPart | None:
        """What `path` holds; None, and a warning, if it is damaged."""
        if not path.is_file():
            return None
        try:
            found = read_part(path)
        except DatasetError as error:
            logger.warning("%s The tiles are measured again.", _first_sentence(error))
            return None
        if found.identity != identity:
            logger.warning("%s holds features of something else: measured again.", path)
            return None
        return found

    def store(self, path: Path, measured: MeasuredPart) -> None:
        """Keep what was measured; a warning if that is not possible, for the work is done."""
        try:
            remove_leftovers(path.parent)
            write_part(path, measured)
        except OSError as error:
            logger.warning(
                "The features were not kept for next time: nothing can be written to %s (%s).",
                path.parent,
                error.strerror,
            )


def _first_sentence(error: DatasetError) -> str:
    return str(error).removesuffix(" Delete it and measure the part again.")
