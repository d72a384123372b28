"""How surely JPEG is seen in a tile, and how often where it never was.

    python benchmarks/file_history.py FOLDER_OF_PNG_TILES [FOLDER ...]

Each tile is halved in size first, which removes a grid that it came with, then stored as JPEG of
several qualities, cut so that the grid begins at the third pixel, and measured.
"""

from __future__ import annotations

import io
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from eval.file_history.jpeg_grid import THRESHOLD, grid_trace
from histosyn.images.folder import find_images
from histosyn.images.tiles import read_tile

QUALITIES = (100, 98, 95, 90, 80, 60)
SIZES = (64, 128, 256)
_LUMA = np.array([0.299, 0.587, 0.114])


def main(folders: list[str]) -> None:
    found: dict[tuple[object, int], list[float]] = defaultdict(list)
    for folder in folders:
        for path in find_images(Path(folder)):
            image = Image.fromarray(read_tile(path))
            half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
            for size in SIZES:
                if size + 3 > min(half.size):
                    continue
                for quality in (None, *QUALITIES):
                    tile = np.asarray(half if quality is None else _jpeg(half, quality))
                    found[quality, size].append(grid_trace(tile[3:, 3:][:size, :size] @ _LUMA))
    print(f"{'quality':>8} {'size':>5} {'tiles':>6} {'lowest':>8} {'highest':>8} {'seen':>6}")
    for (quality, size), traces in found.items():
        seen = np.mean(np.array(traces) > THRESHOLD)
        print(f"{quality or 'none'!s:>8} {size:>5} {len(traces):>6} {min(traces):>8.3f} "
              f"{max(traces):>8.3f} {seen:>6.0%}")  # fmt: skip


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


if __name__ == "__main__":
    main(sys.argv[1:])
