"""From windows of a slide to encoded samples. Runs in worker processes: nothing imports torch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from histosyn.annotations.geojson import read_drawing
from histosyn.annotations.grid import Grid
from histosyn.annotations.painting import Painting
from histosyn.images.origin import says_synthetic
from histosyn.images.tiles import glass_share
from histosyn.labels.schema import LabelSchema
from histosyn.packing.config import Overlaps, PackConfig
from histosyn.packing.jobs import SlideJob
from histosyn.packing.samples import CutPair, Sample, encoded
from histosyn.packing.slide_plan import blank_class, step_of, window_starts
from histosyn.slides.pairs import SlidePair
from histosyn.slides.slide import Slide
from hpc.errors import DatasetError

# Where there is no annotation, a window with less tissue has nothing to learn from; this is looked
# up on pixels so much coarser, before the window is read.
_TISSUE_SHARE = 0.1
_COARSER = 8


def cut_windows(job: SlideJob, schema: LabelSchema, config: PackConfig) -> CutPair:
    """Read, paint and encode windows of a slide.

    Those without annotation are left out if what has none is ignored, or shows no tissue; those
    that cannot be read are told.
    """
    slide, painting = _opened(job.pair, schema, config.overlaps, job.stamps)
    blank = blank_class(schema, config)
    rows, columns = window_starts(job.size, job.mpp, config, str(job.pair.slide))
    synthetic = says_synthetic(job.pair.slide)
    samples, unread, left_out = [], [], 0
    for number in range(job.first, job.stop):
        row, column = divmod(number, len(columns))
        grid = _grid(rows[row], columns[column], job, config)
        try:
            cut = _cut(slide, painting, grid, blank, schema, config)
        except DatasetError as error:
            unread.append(str(error))
            continue
        if cut is None:
            left_out += 1
            continue
        place = {"row": row, "column": column, "x": round(grid.left), "y": round(grid.top)}
        facts = {"source": job.source, "group": job.group, "mpp": config.mpp or job.mpp} | place
        name = f"{job.key}_r{row}c{column}"
        samples.append(encoded(name, *cut, facts, schema, config.tile_format, synthetic))
    return CutPair(samples=tuple[Sample, ...](samples), left_out=left_out, unread=tuple(unread))


# A job's neighbours are of the same slide; the one before is kept for its last jobs.
@lru_cache(maxsize=2)
def _opened(
    pair: SlidePair, schema: LabelSchema, overlaps: Overlaps, stamps: tuple[object, ...]
) -> tuple[Slide, Painting]:
    return Slide(pair.slide), Painting(read_drawing(pair.annotations), schema, overlaps)


def _grid(top: int, left: int, job: SlideJob, config: PackConfig) -> Grid:
    step = step_of(job.mpp, config)
    side = config.tile_size or 1
    return Grid(left=left * step, top=top * step, step=step, size=(side, side))


def _cut(
    slide: Slide,
    painting: Painting,
    grid: Grid,
    blank: int,
    schema: LabelSchema,
    config: PackConfig,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Tile uint8 (H, W, 3) and label map uint8 (H, W); None if there is nothing to learn."""
    if not painting.touches(grid.bounds):
        if blank == schema.ignore or _tissue_share(slide, grid) < _TISSUE_SHARE:
            return None
        labels = np.full(grid.size, blank, dtype=np.uint8)
    else:
        painted = painting.paint(grid, blank)
        labels = painted.labels
        if schema.ignore is not None and (labels == schema.ignore).all():
            return None
        if not painted.covered.any() and _tissue_share(slide, grid) < _TISSUE_SHARE:
            return None
    tile = slide.read(grid)
    if config.min_tissue and 1 - glass_share(tile) < config.min_tissue:
        return None
    if config.bright_to_class_0 is not None:
        labels = np.where((tile > config.bright_to_class_0).all(axis=2), np.uint8(0), labels)
    return tile, labels


def _tissue_share(slide: Slide, grid: Grid) -> float:
    height, width = (max(side // _COARSER, 1) for side in grid.size)
    step = grid.step * grid.size[0] / height
    coarse = Grid(left=grid.left, top=grid.top, step=step, size=(height, width))
    return 1 - glass_share(slide.read(coarse))
