"""The README's picture, from the folder of `histosyn demo`: python docs/make_picture.py runs/demo.

Phantom label maps above the tissue that the shipped model made of them; nothing of it is real.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.images.origin import synthetic_png_bytes
from histosyn.training.grid_picture import tile_grid

SHOWN = ("00001", "00002", "00004", "00006", "00009", "00011", "00017")
ENLARGE = 2


def main(demo: Path, out: Path) -> None:
    """Write the picture of the demo in folder `demo` to `out`."""
    rows = []
    for folder in (demo / "shipped/unseen/labels", demo / "shipped/tissue"):
        images = [Image.open(folder / f"phantom-{number}.png").convert("RGB") for number in SHOWN]
        size = tuple(side * ENLARGE for side in images[0].size)
        nearest = Image.Resampling.NEAREST
        rows.append([np.asarray(image.resize(size, nearest)) for image in images])
    out.write_bytes(synthetic_png_bytes(Image.fromarray(tile_grid(rows)).quantize(256)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("demo.png"))
