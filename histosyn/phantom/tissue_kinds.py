"""Kinds of procedural tissue, as data. Lengths are microns: pixels at 1 micron per pixel."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TissueKind:
    """How a kind of tissue grows. Ranges are (low, high) of uniform draws; `weight` is its share.

    Glands have a `radius` before their axes are stretched apart by the ratio `stretch`, at least
    `gap` between them, and outlines that undulate by the share `lobes`. Epithelium of this `height`
    lines them, with nuclei of semi-axes `nucleus` in `rows` that start `basal` below the outline
    and scatter by `disorder`. `goblets` is the share of cells filled with mucin; `cellularity` the
    share of places in the stroma where a spindle-shaped nucleus lies; `inflammation`, 0 to about 1,
    how much round ones crowd the stroma.
    """

    name: str
    weight: float
    radius: Range
    gap: Range
    stretch: Range
    lobes: float
    height: Range
    rows: int
    nucleus: tuple[float, float]
    basal: float
    disorder: float
    goblets: float
    cellularity: Range
    inflammation: Range


TISSUE_KINDS = (
    TissueKind(
        name="crypts",
        weight=0.35,
        radius=(26, 40),
        gap=(1, 10),
        stretch=(1.0, 1.7),
        lobes=0.05,
        height=(22, 30),
        rows=1,
        nucleus=(4.3, 2.3),
        basal=1.0,
        disorder=0.6,
        goblets=0.75,
        cellularity=(0.15, 0.35),
        inflammation=(0.4, 1.1),
    ),
    TissueKind(
        name="acini",
        weight=0.4,
        radius=(20, 52),
        gap=(3, 26),
        stretch=(1.0, 1.6),
        lobes=0.2,
        height=(15, 22),
        rows=1,
        nucleus=(3.9, 2.5),
        basal=1.6,
        disorder=0.9,
        goblets=0.0,
        cellularity=(0.25, 0.5),
        inflammation=(0.0, 0.5),
    ),
    TissueKind(
        name="carcinoma",
        weight=0.25,
        radius=(22, 60),
        gap=(2, 30),
        stretch=(1.0, 2.0),
        lobes=0.16,
        height=(22, 34),
        rows=3,
        nucleus=(5.0, 2.5),
        basal=1.5,
        disorder=1.7,
        goblets=0.0,
        cellularity=(0.35, 0.65),
        inflammation=(0.0, 0.8),
    ),
)
