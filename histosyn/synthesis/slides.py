"""Label maps that become slides: made in pieces by any number of processes, then put together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from histosyn.annotations.outlines import collection_text, feature_text, regions_of
from histosyn.labels.field import Field
from histosyn.models.folder import Model
from histosyn.pyramids.bigtiff import write_pyramid
from histosyn.pyramids.pieces import PIECE, Pieces
from histosyn.synthesis.field_tissue import PART, FieldTissue
from histosyn.synthesis.label_fields import LabelSource
from histosyn.synthesis.plan import Job
from histosyn.synthesis.provenance import Record, slide_notes
from histosyn.synthesis.slide_config import SlideConfig
from hpc.errors import InputError
from hpc.files import atomic_file, sha256_of_bytes, sha256_of_file
from hpc.randomness import key_of

assert PIECE == PART
_BEGINNING = b'{"type":"FeatureCollection","features":[\n'


class SlideWork:
    """One slide in the making.

    Its pieces, and the label map as class indices, lie in a folder beside it, which is named after
    all that decides them: another attempt goes on with it, other work does not touch it.
    """

    def __init__(self, model: Model, job: Job, out: Path, config: SlideConfig) -> None:
        self.job, self._model, self._config = job, model, config
        self.record: Record = replace(job.record, label_sha256=sha256_of_file(job.label))
        self.path = out / self.record.file
        facts = repr(sorted((self.record.as_dict() | {"histosyn": None}).items()))
        digest = sha256_of_bytes(f"{facts} {config.least_region}".encode())[:12]
        self._folder = self.path.parent / f".{self.path.name}.{digest}.pieces"
        self._tissue: FieldTissue | None = None
        self._opened: tuple[Field, Pieces] | None = None

    def prepare(self) -> None:
        """Read the label map into the folder; what is there already is kept.

        Raises what is wrong with it, and InputError for a file in the way.
        """
        _refuse_foreign(self.outlines)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts()

    @property
    def outlines(self) -> Path:
        """Where the label map goes as annotations."""
        return self.path.with_suffix(".geojson")

    def missing(self) -> list[int]:
        """The numbers of the pieces that are not there."""
        _, pieces = self._parts()
        return [number for number in range(len(pieces)) if not pieces.has(number)]

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._parts()[1])

    def make(self, number: int) -> None:
        """Make a piece and write it."""
        field, pieces = self._parts()
        if self._tissue is None:
            key = key_of(self.record.seed, "synthesis", self.job.key, self.record.variant)
            memory_gib = self._config.memory_gib
            self._tissue = FieldTissue(self._model, field, key, self.record.stain, memory_gib)
        rows, columns = pieces.box(number)
        labels_HW = field.window(rows, columns)
        pieces.write(
            number, self._tissue.pixels(rows, columns), self._outlines_of(labels_HW, rows, columns)
        )

    def finish(self) -> str:
        """Put the pieces together; the digest of the slide. The folder is removed."""
        _, pieces = self._parts()
        texts = (pieces.text(number) for number in range(len(pieces)))
        with atomic_file(self.outlines) as file:
            for text in collection_text(text for text in texts if text):
                file.write(text.encode())
        codec = self._config.codec
        notes = slide_notes(self.record, self._model.facts.mpp)
        with atomic_file(self.path) as file:
            write_pyramid(file, pieces.levels(), codec, notes)
        for folder in self.path.parent.glob(f".{self.path.name}.*.pieces"):
            shutil.rmtree(folder, ignore_errors=True)
        return sha256_of_file(self.path)

    def _parts(self) -> tuple[Field, Pieces]:
        if self._opened is None:
            source = LabelSource(
                path=self.job.label,
                size=None,
                drawn=self.record.drawn,
                resampled=self.record.resampled,
            )
            field = source.open(self._model.facts.schema, self._folder / "labels")
            self._opened = field, Pieces(self._folder, field.size, self._config.codec)
        return self._opened

    def _outlines_of(self, labels_HW: np.ndarray, rows: range, columns: range) -> str:
        schema = self._model.facts.schema
        return ",\n".join(
            feature_text(region, schema, left=columns.start, top=rows.start)
            for region in regions_of(labels_HW, len(schema), self._config.least_region)
        )


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)) != _BEGINNING:
            raise InputError(f"{path} was not made by histosyn. Choose another OUT folder.")
