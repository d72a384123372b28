"""The summary of one (tile, label map) pair: a few hundred bytes of facts, no pixels."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from histosyn.doctor.image_header import Header, read_header
from histosyn.doctor.interpretation import Interpretation, interpret
from histosyn.doctor.tile_artifacts import ink_share, is_blank, sharpness_of
from histosyn.images.compression import LossyError
from histosyn.images.file import opened_image
from histosyn.images.matlab import MATLAB_SUFFIX, read_matlab_labels
from histosyn.images.pages import PagesError
from histosyn.images.tiles import glass_share
from histosyn.labels.instances import NO_OBJECTS, Areas, areas_of, folded_pixel_values
from histosyn.labels.pixel_values import (
    PixelValues,
    TooManyColorsError,
    index_pixel_values,
    read_pixel_values,
)
from histosyn.labels.schema import LabelSchema
from histosyn.sources.files import read_source_tile
from histosyn.sources.pairs import Pair
from hpc.errors import DatasetError, InputError

FlawKind = Literal["damaged", "deep", "transparent", "pages", "lossy", "photograph", "mode"]
# A label map drawn in areas has fewer colours; without a schema so many of a file are kept.
KEPT_VALUES = 4096
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
_FLAW_OF_ERROR: tuple[tuple[type[InputError], FlawKind], ...] = (
    (PagesError, "pages"), (LossyError, "lossy"), (TooManyColorsError, "photograph"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """Why a file cannot be used; `message` names it."""

    kind: FlawKind
    message: str


@dataclass(frozen=True, kw_only=True)
class TileSummary:
    """Facts of a tile. One that cannot be used has a flaw and nothing else.

    `size` is (H, W); `digest` stands for the pixels; `glass` is the share of them that is nearly
    white, `ink` that in colours of pens; `uniform` says that all are equal, `blank` that there is
    glass only. `sharpness` is told of what has something on it.
    """

    flaw: Flaw | None = None
    size: tuple[int, ...] | None = None
    digest: bytes | None = None
    glass: float = 0.0
    uniform: bool = False
    blank: bool = False
    ink: float | None = None
    sharpness: tuple[float, float] | None = None
    header: Header = field(default_factory=Header)


@dataclass(frozen=True, kw_only=True)
class LabelSummary:
    """Facts of a label map. One that cannot be used has a flaw and nothing else.

    `pixel_values` are kept until a schema says what they mean, `left_out` tells that there were
    more than `KEPT_VALUES` of them; then `interpretation` takes their place. `areas` is of files by
    index, unless it was said whether these number objects.
    """

    flaw: Flaw | None = None
    size: tuple[int, ...] | None = None
    header: Header = field(default_factory=Header)
    pixel_values: PixelValues | None = None
    left_out: bool = False
    interpretation: Interpretation | None = None
    areas: Areas | None = None


@dataclass(frozen=True, kw_only=True)
class PairSummary:
    """The summary of one pair."""

    pair: Pair
    tile: TileSummary
    label: LabelSummary

    @property
    def tile_name(self) -> str:
        """The tile's file as findings call it: below its folder."""
        return _name(self.pair, self.pair.tile)

    @property
    def label_name(self) -> str:
        """The label map's file as findings call it: below its folder."""
        return _name(self.pair, self.pair.label)

    def under(self, schema: LabelSchema) -> PairSummary:
        """The same summary, now that a schema says what the pixel values mean."""
        if self.label.pixel_values is None:
            return self
        interpretation = interpret(self.label.pixel_values, schema)
        return replace(
            self, label=replace(self.label, pixel_values=None, interpretation=interpretation)
        )


def summarize_pair(
    pair: Pair, schema: LabelSchema | None, objects: str | None = None
) -> PairSummary:
    """Read one pair and keep what the checks need; without a schema, the label's pixel values.

    `objects` is the class that the label map's numbers become, if it numbers objects, or
    `NO_OBJECTS` if it does not.
    """
    with warnings.catch_warnings():
        # Pillow warns of odd metadata. What matters of it is a finding.
        warnings.simplefilter("ignore")
        summary = PairSummary(
            pair=pair, tile=_look_at_tile(pair), label=summarize_label(pair, schema, objects)
        )
    return summary if schema is None else summary.under(schema)


def _look_at_tile(pair: Pair) -> TileSummary:
    name = _name(pair, pair.tile)
    try:
        with _named_damage(name):
            tile = read_source_tile(pair.tile, name)
    except InputError as error:
        return TileSummary(flaw=_flaw_of(pair.tile, error))
    shape = repr(tile.shape).encode()
    uniform, blank = _is_uniform(tile), is_blank(tile)
    return TileSummary(
        size=tile.shape[:2],
        digest=hashlib.sha256(shape + tile.tobytes()).digest(),
        glass=glass_share(tile),
        uniform=uniform,
        blank=blank,
        ink=ink_share(tile),
        sharpness=None if uniform or blank else sharpness_of(tile),
        header=read_header(pair.tile),
    )


def _is_uniform(tile_HWC: np.ndarray) -> bool:
    """Whether all pixels are equal; the first row nearly always tells."""
    first = tile_HWC[0, 0]
    return bool((tile_HWC[0] == first).all() and (tile_HWC == first).all())


def summarize_label(
    pair: Pair,
    schema: LabelSchema | None = None,
    objects: str | None = None,
    name: str | None = None,
) -> LabelSummary:
    """Read one label map and keep its pixel values, without a schema at most `KEPT_VALUES`.

    `name` is what a flaw calls it, by default its name below its folder.
    """
    name = name or _name(pair, pair.label)
    areas = None
    try:
        with _named_damage(name):
            if schema is not None and objects not in (None, NO_OBJECTS):
                pixel_values, value_of_pixel_HW = folded_pixel_values(
                    pair.label, name, schema, objects
                )
            else:
                pixel_values, value_of_pixel_HW = _pixel_values_of(pair.label, name)
            if pixel_values.indices is not None and objects is None:
                areas = areas_of(pixel_values.indices[value_of_pixel_HW])
    except InputError as error:
        return LabelSummary(flaw=_flaw_of(pair.label, error))
    summary = LabelSummary(
        size=value_of_pixel_HW.shape,
        header=read_header(pair.label),
        pixel_values=pixel_values,
        areas=areas,
    )
    return summary if schema is not None else _shortened(summary)


@contextmanager
def _named_damage(name: str) -> Iterator[None]:
    """Whatever a decoder stumbles over becomes a DatasetError that names the file."""
    try:
        yield
    except InputError:
        raise
    # Decoders have no error of their own: a flipped byte may surface as any exception.
    except Exception as error:
        raise DatasetError(
            f"{name} cannot be read ({error}). Replace the file or leave it out."
        ) from error


def _pixel_values_of(path: Path, name: str) -> tuple[PixelValues, np.ndarray]:
    if path.suffix.lower() == MATLAB_SUFFIX:
        return index_pixel_values(read_matlab_labels(path, name))
    return read_pixel_values(path, name)


def _shortened(label: LabelSummary) -> LabelSummary:
    pixel_values = label.pixel_values
    if (
        pixel_values is None
        or pixel_values.colors is None
        or len(pixel_values.pixels) <= KEPT_VALUES
    ):
        return label
    most = np.argsort(-pixel_values.pixels, kind="stable")[:KEPT_VALUES]
    kept = replace(pixel_values, pixels=pixel_values.pixels[most], colors=pixel_values.colors[most])
    return replace(label, pixel_values=kept, left_out=True)


def _flaw_of(path: Path, error: InputError) -> Flaw:
    """Why a file was refused."""
    by_type = [kind for type_, kind in _FLAW_OF_ERROR if isinstance(error, type_)]
    kind = by_type[0] if by_type else _kind_of_mode(_mode_of(path))
    return Flaw(kind=kind, message=str(error))


def _mode_of(path: Path) -> str | None:
    """Of an image that can be decoded; it was refused for it then."""
    try:
        with _named_damage(path.name), opened_image(path, path.name) as image:
            return image.mode
    except InputError:
        return None


def _kind_of_mode(mode: str | None) -> FlawKind:
    if mode is None:
        return "damaged"
    if mode in _DEEP_MODES:
        return "deep"
    return "transparent" if mode in _ALPHA_MODES else "mode"


def _name(pair: Pair, path: Path) -> str:
    return PurePosixPath(pair.key).with_name(path.name).as_posix()
