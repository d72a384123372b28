"""The folder of a paint session: saved label maps and tiles, in the layout that `pack` reads.

OUT/labels/NAME.png      class indices in the schema's colours
OUT/tiles/NAME.png       the tissue, marked as synthetic
OUT/rerolls/NAME.png     which pixels have noise of their own; only if some have
OUT/tiles/manifest.jsonl how each tile was made: `histosyn synth --like` makes it again
"""

from __future__ import annotations

import re
import threading
import unicodedata
from contextlib import suppress
from itertools import count
from pathlib import Path

from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import out_lock, write_manifest
from histosyn.paint.painting import Painting
from histosyn.paint.renderer import Renderer
from histosyn.synthesis.provenance import entry_of, tile_png_bytes
from histosyn.synthesis.rerolls import areas_png_bytes
from hpc.errors import HistosynError
from hpc.files import make_folder, sha256_of_bytes, write_bytes

_UNFIT = re.compile(r"[^\w.-]+")
# Of the 255 bytes that a name may have; a number and a suffix follow.
_LONGEST_NAME_BYTES = 200


class NotSavedError(HistosynError):
    """A painting could not be saved; nothing of it is left in the session's folder."""


class SessionFolder:
    """Saves paintings below `folder`, which is made with the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Two tabs may save at once.
        self._lock = threading.Lock()

    def save(self, renderer: Renderer, painting: Painting, name: str) -> dict[str, str]:
        """Write a pair under a name that is free; returns the name and the files' paths.

        Nothing is overwritten. The manifest comes last: what it names is whole. Raises InputError
        if another process, such as `synth`, is writing there.
        """
        renderer.tissue(painting)
        with self._lock:
            try:
                if self.folder.exists() and not self.folder.is_dir():
                    raise NotADirectoryError(0, "it is a file, not a folder", str(self.folder))
                with out_lock(self.folder / "tiles"):
                    name = self._free(_fit(name))
                    self._write(renderer, painting, name)
            except OSError as error:
                raise NotSavedError(
                    f"The painting was not saved: {error.filename or self.folder}: "
                    f"{error.strerror or error}. Make room, or start paint with another --out; "
                    "until then, download label map and tissue from the page."
                ) from error
        return {
            "name": name,
            "label": str(self._path("labels", name)),
            "tile": str(self._path("tiles", name)),
        }

    def _write(self, renderer: Renderer, painting: Painting, name: str) -> None:
        """Write the files of a pair. Those of one that cannot be written whole are removed."""
        record = renderer.record(painting, f"{name}.png")
        tile = tile_png_bytes(renderer.tissue(painting), record)
        files = {"labels": label_png_bytes(painting.labels_HW, renderer.schema), "tiles": tile}
        if painting.rerolls.used:
            files["rerolls"] = areas_png_bytes(painting.rerolls)
        try:
            for part, data in files.items():
                make_folder(self.folder / part)
                write_bytes(self._path(part, name), data)
            write_manifest(
                self.folder / "tiles", {record.file: entry_of(record, sha256_of_bytes(tile))}
            )
        except Exception:
            for part in files:
                with suppress(OSError):
                    self._path(part, name).unlink()
            raise

    def _path(self, part: str, name: str) -> Path:
        return self.folder / part / f"{name}.png"

    def _free(self, stem: str) -> str:
        names = (f"{stem}-{number:03d}" for number in count(1))
        return next(name for name in names if not self._taken(name))

    def _taken(self, name: str) -> bool:
        return any(self._path(part, name).exists() for part in ("labels", "tiles"))


def _fit(name: str) -> str:
    """A stem that is a file name everywhere: letters, digits, dots, dashes."""
    plain = _UNFIT.sub("-", unicodedata.normalize("NFC", name)).strip("-._")
    return plain.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore") or "painting"
