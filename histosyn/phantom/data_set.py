"""A data set of procedural tissue: tiles, their label maps, and the patients they pretend to be of.

Tile i of seed s is a function of (s, i) and its size alone: not of how many are written, nor where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import LabelSchema, label_png_bytes, load_schema
from histosyn.phantom.stain import develop, draw_stain
from histosyn.phantom.tissue import grow
from histosyn.phantom.tissue_kinds import TISSUE_KINDS
from hpc.errors import InputError
from hpc.files import atomic_folder
from hpc.randomness import generator_of, key_of

SCHEMA = "prostate-3"
MPP = 1.0
TILES_PER_PATIENT = 8
SMALLEST_SIZE = 64
# Strides of generators divide it.
SIZE_STEP = 32

Track = Callable[[range], Iterable[int]]


def render_phantom(seed: int, index: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Tile number `index`: uint8 RGB (size, size, 3) and its labels, uint8 (size, size).

    Labels are indices of schema prostate-3; a pixel is 1 micron wide. The tiles of a patient share
    the slide's stain.
    """
    patient = index // TILES_PER_PATIENT
    slide = draw_stain(generator_of(key_of(seed, "phantom slide", patient)))
    rng = generator_of(key_of(seed, "phantom tile", index))
    tissue_kind = TISSUE_KINDS[
        rng.choice(len(TISSUE_KINDS), p=[item.weight for item in TISSUE_KINDS])
    ]
    tissue = grow(rng, tissue_kind, size)
    return develop(rng, tissue, slide.varied(rng)), tissue.labels


def write_phantom(out: Path, *, count: int, size: int, seed: int, track: Track = iter) -> None:
    """Write `count` tiles to out/tiles, label maps to out/labels, and out/phantom.csv.

    The table has the columns tile and patient; `track` sees the indices go by. Raises InputError
    for a size or count that makes no data set, or if `out` exists and isn't an empty folder. A
    killed run leaves no `out`.
    """
    _check(count, size)
    schema = load_schema(SCHEMA)
    # Removes an empty folder only; anything else is the next line's error.
    with suppress(OSError):
        out.rmdir()
    with atomic_folder(out) as folder:
        for name in ("tiles", "labels"):
            (folder / name).mkdir()
        for index in track(range(count)):
            _write_tile(folder, schema, seed=seed, index=index, size=size)
        rows = [f"{_name(index)},{_patient(index)}\n" for index in range(count)]
        (folder / "phantom.csv").write_text("tile,patient\n" + "".join(rows), encoding="utf-8")


def _write_tile(folder: Path, schema: LabelSchema, *, seed: int, index: int, size: int) -> None:
    tile, labels = render_phantom(seed, index, size)
    origin = (
        f"histosyn phantom, procedural tissue: seed {seed}, tile {index}, {MPP} microns a pixel"
    )
    path = Path(f"{_name(index)}.png")
    data = png_bytes(Image.fromarray(tile), text={"Source": origin})
    (folder / "tiles" / path).write_bytes(data)
    (folder / "labels" / path).write_bytes(label_png_bytes(labels, schema))


def _check(count: int, size: int) -> None:
    if count < 1:
        raise InputError(f"count is {count}: there is nothing to write. Give 1 or more.")
    if size < SMALLEST_SIZE or size % SIZE_STEP:
        raise InputError(
            f"size is {size}: the side of a tile is a multiple of {SIZE_STEP}, at least "
            f"{SMALLEST_SIZE}. Give one of {SMALLEST_SIZE}, 96, 128, 160, ..."
        )


def _name(index: int) -> str:
    return f"phantom-{index:05d}"


def _patient(index: int) -> str:
    return f"patient-{index // TILES_PER_PATIENT:03d}"
