"""Tissue as large as a slide: label maps of GlaS side by side, synthesized and looked at.

    python benchmarks/field.py GLAS RUN OUT [--side 20480] [--precision float32]

Squares of 256 pixels at 1 µm, of all label maps, turned and turned over at random, laid side by
side. RUN is a run or model folder of their schema, such as `fast-0` of benchmarks/recipe.py. Then
OpenSlide is asked for what came. Printed: levels; mean colours of the pieces of 2048 pixels; how
much neighbouring columns differ across borders of pieces, and across others; how alike tissue of
equal label squares is. OUT/zoom.jpg shows the whole field, then its middle at an eighth, a half and
full resolution, OUT/details.png eight places at full resolution. Tissue that is there already is
not made again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

import histosyn
from histosyn.images.origin import marked_options

SCHEMA = "prostate-3"
SQUARE = 256
PIECE = 2048
DETAIL = 512
ZOOM = 448


def main() -> None:
    # The field is our own, and larger than what Pillow takes from strangers.
    Image.MAX_IMAGE_PIXELS = None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glas", type=Path, help="folder with labels/")
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=20_480, help="pixels, a multiple of 2048")
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    field = options.out / "labels/field.png"
    if not field.exists():
        field.parent.mkdir(parents=True, exist_ok=True)
        assembled(squares(options.glas / "labels"), options.side).save(field)
    tissue = options.out / "tissue"
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "histosyn", "synth", str(options.run), str(field.parent),
         str(tissue), "--memory", "2", "--precision", options.precision, "--least-region", "500"],
        check=True,
    )  # fmt: skip
    print(f"synthesized in {(time.monotonic() - started) / 60:.1f} minutes")
    with openslide.OpenSlide(tissue / "field.tif") as slide:
        print("levels:", *(f"{width}x{height}" for width, height in slide.level_dimensions))
        print("microns per pixel:", slide.properties.get(openslide.PROPERTY_NAME_MPP_X))
        tell_colours(slide)
        tell_seams(slide)
        with Image.open(field) as labels:
            tell_repetition(slide, np.asarray(labels))
        zoomed(slide).save(options.out / "zoom.jpg", quality=88, **marked_options("JPEG"))
        details(slide).save(options.out / "details.png", **marked_options("PNG"))


def squares(labels: Path) -> list[np.ndarray]:
    """All squares (256, 256) of the label maps at half scale."""
    schema, found = histosyn.load_schema(SCHEMA), []
    for path in sorted(labels.glob("*.png")):
        halved = histosyn.read_label_map(path, schema)[::2, ::2]
        rows, columns = (side // SQUARE for side in halved.shape)
        found += [
            halved[SQUARE * i : SQUARE * (i + 1), SQUARE * j : SQUARE * (j + 1)]
            for i in range(rows)
            for j in range(columns)
        ]
    return found


def assembled(found: list[np.ndarray], side: int) -> Image.Image:
    """A label map of squares drawn at random, each in one of eight positions."""
    random = np.random.default_rng(0)
    field = np.empty((side, side), np.uint8)
    for top in range(0, side, SQUARE):
        for left in range(0, side, SQUARE):
            square = found[int(random.integers(len(found)))]
            turned = np.rot90(square, int(random.integers(4)))
            turned = turned if random.integers(2) else turned.T
            field[top : top + SQUARE, left : left + SQUARE] = turned
    return Image.fromarray(field)


def corners(side: int) -> list[tuple[int, int]]:
    """Left and top of each piece of 2048 pixels."""
    return [(left, top) for top in range(0, side, PIECE) for left in range(0, side, PIECE)]


def tell_colours(slide: openslide.OpenSlide) -> None:
    means = np.array([
        pixels(slide, corner, (PIECE, PIECE)).mean(axis=(0, 1))
        for corner in corners(slide.dimensions[0])
    ])  # fmt: skip
    print("mean RGB of a piece:", means.mean(axis=0).round(1), "±", means.std(axis=0).round(1))


def tell_seams(slide: openslide.OpenSlide) -> None:
    """Both kinds of borders are those of label squares and of JPEG tiles, too."""
    side = slide.dimensions[0]
    for name, shift in (("borders of pieces", 0), ("others", PIECE // 2)):
        steps = [
            step(slide, left + shift, top) for left, top in corners(side) if 0 < left + shift < side
        ]
        print(f"columns across {name} differ by {np.mean(steps):.2f} ± {np.std(steps):.2f} of 255")


def step(slide: openslide.OpenSlide, column: int, top: int) -> float:
    """Mean difference of two columns over a piece's height."""
    left, right = np.moveaxis(pixels(slide, (column - 1, top), (2, PIECE)), 1, 0)
    return float(np.abs(left - right).mean())


def tell_repetition(slide: openslide.OpenSlide, field: np.ndarray) -> None:
    """Of all squares that are the first one again, in its position; less each class's mean."""
    first, side = field[:SQUARE, :SQUARE], len(field)
    grays = [
        pixels(slide, (left, top), (SQUARE, SQUARE)).mean(axis=2)
        for top in range(0, side, SQUARE)
        for left in range(0, side, SQUARE)
        if np.array_equal(field[top : top + SQUARE, left : left + SQUARE], first)
    ]
    for gray in grays:
        for index in np.unique(first):
            gray[first == index] -= gray[first == index].mean()
    alike = [np.corrcoef(grays[0].ravel(), other.ravel())[0, 1] for other in grays[1:]]
    print("tissue of equal squares correlates:", np.round(alike, 2))


def zoomed(slide: openslide.OpenSlide) -> Image.Image:
    side = slide.dimensions[0]
    page = Image.new("RGB", (4 * ZOOM, ZOOM))
    for number, scale in enumerate([side / ZOOM, 8, 2, 1]):
        shown = int(ZOOM * scale)
        level = slide.get_best_level_for_downsample(scale)
        read = round(shown / slide.level_downsamples[level])
        start = (side - shown) // 2
        part = slide.read_region((start, start), level, (read, read)).convert("RGB")
        page.paste(part.resize((ZOOM, ZOOM), Image.Resampling.LANCZOS), (number * ZOOM, 0))
    return page


def details(slide: openslide.OpenSlide) -> Image.Image:
    """Above, four corners where pieces meet; below, four places inside of pieces."""
    count = slide.dimensions[0] // PIECE
    meet = [(PIECE * (1 + i % (count - 1)), PIECE * (1 + 2 * i % (count - 1))) for i in range(4)]
    inside = [(left + PIECE // 2, top + PIECE // 3) for left, top in meet]
    page = Image.new("RGB", (4 * DETAIL, 2 * DETAIL))
    for number, (left, top) in enumerate([*meet, *inside]):
        place = left - DETAIL // 2, top - DETAIL // 2
        shown = slide.read_region(place, 0, (DETAIL, DETAIL)).convert("RGB")
        page.paste(shown, (number % 4 * DETAIL, number // 4 * DETAIL))
    return page


def pixels(slide: openslide.OpenSlide, place: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    return np.asarray(slide.read_region(place, 0, size).convert("RGB")).astype(float)


if __name__ == "__main__":
    main()
