"""Which parts of tiles get noise of their own, as the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histosyn.images.file import opened_image
from histosyn.images.formats import IMAGE_SUFFIXES
from histosyn.images.resampling import resample_labels
from histosyn.labels.schema import LabelSchema
from histosyn.synthesis.rerolls import Rerolls
from hpc.errors import InputError, LabelError

_DRAWING = ".geojson"


@dataclass(frozen=True, kw_only=True)
class RerollChoice:
    """What `--reroll` says: a class of the schema, or a mask or GeoJSON file, or a folder of them.

    `seed` decides the noise there.
    """

    what: str
    seed: int

    def rerolls(
        self, key: str, labels_HW: np.ndarray, schema: LabelSchema, scale: float = 1.0
    ) -> Rerolls:
        """The areas of the tile `key`, whose label map is `scale` times as large as its file.

        Raises InputError for what names nothing, LabelError for a mask of another size.
        """
        found = _class_of(self.what, schema)
        if found is not None:
            areas_HW = labels_HW == found
        else:
            areas_HW = _mask(self._file(key, schema), labels_HW.shape, scale)
        return Rerolls(areas_HW=areas_HW.astype(np.uint8), seeds=(self.seed,))

    def _file(self, key: str, schema: LabelSchema) -> Path:
        path = Path(self.what)
        if path.is_file():
            return path
        names = ", ".join(item.name for item in schema.classes)
        if not path.is_dir():
            raise InputError(
                f"--reroll {self.what} is no class of {schema.name} ({names}), and no file or "
                "folder. Check it."
            )
        for suffix in (_DRAWING, *sorted(IMAGE_SUFFIXES)):
            if (path / f"{key}{suffix}").is_file():
                return path / f"{key}{suffix}"
        raise InputError(f"--reroll {path} holds no mask {key}.png and no {key}{_DRAWING}.")


def _class_of(name: str, schema: LabelSchema) -> int | None:
    folded = [item.name.casefold() for item in schema.classes]
    return folded.index(name.casefold()) if name.casefold() in folded else None


def _mask(path: Path, size: tuple[int, ...], scale: float) -> np.ndarray:
    if path.suffix.lower() == _DRAWING:
        from histosyn.annotations.field import mask_of_drawing

        return mask_of_drawing(path, (size[0], size[1]), 1 / scale)
    with opened_image(path, str(path)) as image:
        mask_HW = np.asarray(image.convert("L")) > 0
    if scale != 1:
        mask_HW = resample_labels(mask_HW.astype(np.uint8), scale) > 0
    if mask_HW.shape != tuple(size):
        raise LabelError(
            f"{path} is {mask_HW.shape[1]}x{mask_HW.shape[0]} pixels, its label map "
            f"{size[1]}x{size[0]}. They must be equal."
        )
    return mask_HW
