"""What the label maps of a folder are, and opening one of any size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histosyn.images.resampling import resample_labels, scaled_size
from histosyn.images.strips import field_size
from histosyn.labels.field import Field, ResampledField, field_of_image
from histosyn.labels.label_map import read_label_map
from histosyn.labels.schema import LabelSchema
from histosyn.synthesis.provenance import Drawn, Record, Resampled
from histosyn.synthesis.slide_config import SlideConfig
from hpc.errors import InputError

DRAWINGS = frozenset({".geojson"})


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """A file of labels: at `size`, (H, W) of the tissue, None if only reading it tells."""

    path: Path
    size: tuple[int, int] | None
    drawn: Drawn | None
    resampled: Resampled | None

    def open(self, schema: LabelSchema, kept: Path) -> Field:
        """The label map, from `kept` if an earlier attempt has put it there.

        Raises LabelError or DatasetError for what is no label map of the schema.
        """
        scale = self.resampled.scale if self.resampled else 1.0
        if self.drawn is not None:
            # Here, because it needs a package that only annotations need.
            from histosyn.annotations.field import field_of_drawing

            size = scaled_size((self.drawn.height, self.drawn.width), scale)
            said = self.drawn.unannotated
            return field_of_drawing(self.path, schema, kept, size, 1 / scale, said)
        field: Field = field_of_image(self.path, schema, kept, str(self.path))
        if self.resampled is None:
            return field
        return ResampledField(field, scaled_size(field.size, scale))


def label_source(path: Path, resampled: Resampled | None, config: SlideConfig) -> LabelSource:
    """What a file is. Raises InputError for GeoJSON that has no extent."""
    drawn, size = None, None
    if path.suffix.lower() in DRAWINGS:
        from histosyn.annotations.field import extent_of

        size = config.extent or extent_of(path)
        if size is None:
            raise InputError(
                f"{path} says nothing of how large the image is. Pass --extent WIDTHxHEIGHT, or "
                'give it a "bbox".'
            )
        drawn = Drawn(width=size[1], height=size[0], unannotated=config.unannotated)
    else:
        size = field_size(path)
    scale = resampled.scale if resampled else 1.0
    return LabelSource(
        path=path,
        size=None if size is None else scaled_size(size, scale),
        drawn=drawn,
        resampled=resampled,
    )


def labels_of(source: bytes, path: Path, record: Record, schema: LabelSchema) -> np.ndarray:
    """The label map of a tile, uint8 (H, W), at the model's resolution; `source` is its file.

    Raises LabelError or DatasetError for what is no label map of the schema.
    """
    resampled, drawn = record.resampled, record.drawn
    scale = resampled.scale if resampled else 1.0
    if drawn is not None:
        from histosyn.annotations.field import labels_of_drawing

        size = scaled_size((drawn.height, drawn.width), scale)
        return labels_of_drawing(path, schema, size, 1 / scale, drawn.unannotated)
    labels_HW = read_label_map(source, schema, name=str(path))
    return labels_HW if resampled is None else resample_labels(labels_HW, scale)
