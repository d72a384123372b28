"""Do distances rank? Real tiles with known faults, and tissue of known quality, on each ruler.

    python benchmarks/yardsticks.py OUT [--extractors efficientnet-lite0 efficientnet-lite2]

OUT is the folder of `benchmarks/quality.py`, whose stages pack, train and synthesize must be done.
The held-out real tiles are compared with themselves after blur, JPEG, another stain or a weave,
with tiles of other patients, and with what each run made of their label maps.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from eval.distances.feature_set import FeatureSet, distance, measure
from eval.distances.measures import FRECHET, floors_of
from eval.extractors.choice import open_extractor
from eval.features.extractor import Extractor
from eval.features.tile_sources import TileArray
from histosyn.images.folder import find_images
from histosyn.images.tiles import read_tile

Tiles = NDArray[np.uint8]
Change = Callable[[Tiles], Tiles]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    known = ["efficientnet-lite0", "efficientnet-lite2"]
    parser.add_argument("--extractors", nargs="+", default=known)
    options = parser.parse_args()
    extractors = [open_extractor(name) for name in options.extractors]
    real, patients = tiles_in(options.out / "held-out/real"), patients_of(options.out)
    print(
        f"| {len(real)} tiles of {real.shape[2]} pixels |", *map(" {} |".format, options.extractors)
    )
    print("|---" * (len(extractors) + 1) + "|")
    for name, values in rows(extractors, real, patients, options.out):
        print(f"| {name} |", *(f"{value:.3g} |" for value in values), flush=True)


def rows(
    extractors: list[Extractor], real: Tiles, patients: list[str], out: Path
) -> Iterator[tuple[str, list[float]]]:
    """What the real tiles are compared with, and their distance by each extractor."""
    sides = [measured(real, extractor) for extractor in extractors]
    for name, groups in (("halves share patients", None), ("patients kept whole", patients)):
        floors = [floors_of(FRECHET, side, groups=groups)[0].value for side in sides]
        yield f"floor: halves of these tiles, {name}", [value or np.nan for value in floors]
    others = {"real, other patients": tiles_in(out / "held-out/seen")}
    others |= {f"tissue of {run.name}": tiles_in(run) for run in sorted((out / "tissue").iterdir())}
    others |= {name: change(real) for name, change in FAULTS.items()}
    for name, tiles in others.items():
        compared = zip(sides, extractors, strict=True)
        yield name, [distance(side, measured(tiles, extractor)) for side, extractor in compared]


def measured(tiles: Tiles, extractor: Extractor) -> FeatureSet:
    return measure(TileArray(name="tiles", tiles_NHWC=tiles), extractor)


def tiles_in(folder: Path) -> Tiles:
    return np.stack([read_tile(path) for path in sorted(find_images(folder))])


def patients_of(out: Path) -> list[str]:
    """The patient of each held-out tile; its name begins with that of the image it is cut from."""
    with (out / "patients.csv").open(newline="") as text:
        patient_of = {Path(row["tile"]).stem: row["patient"] for row in csv.DictReader(text)}
    names = [path.name for path in sorted(find_images(out / "held-out/real"))]
    sources = sorted(patient_of, key=len, reverse=True)
    return [patient_of[next(s for s in sources if name.startswith(s))] for name in names]


def blurred(sigma: float) -> Change:
    def change(tiles_NHWC: Tiles) -> Tiles:
        smooth = gaussian_filter(tiles_NHWC.astype(np.float32), (0, sigma, sigma, 0))
        return as_tiles(smooth)

    return change


def compressed(quality: int) -> Change:
    def one(tile_HWC: Tiles) -> Tiles:
        file = io.BytesIO()
        Image.fromarray(tile_HWC).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file).convert("RGB"))

    return lambda tiles_NHWC: np.stack([one(tile_HWC) for tile_HWC in tiles_NHWC])


def stained(factor: float) -> Change:
    """Optical density times `factor` in green, which eosin and hematoxylin absorb, half in blue."""
    factors = np.array([1, factor, 1 + (factor - 1) / 2])

    def change(tiles_NHWC: Tiles) -> Tiles:
        density = -np.log((tiles_NHWC.astype(np.float32) + 1) / 256)
        return as_tiles(256 * np.exp(-density * factors) - 1)

    return change


def woven(period: int, amplitude: float) -> Change:
    """A wave of `amplitude` (of 255) along both axes."""

    def change(tiles_NHWC: Tiles) -> Tiles:
        along = [np.cos(2 * np.pi * np.arange(side) / period) for side in tiles_NHWC.shape[1:3]]
        weave = amplitude * (along[0][:, None] + along[1])
        return as_tiles(tiles_NHWC + weave[..., None])

    return change


def as_tiles(values: NDArray[np.floating]) -> Tiles:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


FAULTS: dict[str, Change] = {
    **{f"blur, sigma {sigma}": blurred(sigma) for sigma in (0.3, 0.5, 1, 2)},
    **{f"JPEG, quality {quality}": compressed(quality) for quality in (95, 80, 50, 20)},
    **{f"stain, density x {factor}": stained(factor) for factor in (1.05, 1.15, 1.3)},
    **{
        f"weave, period {period}, amplitude {amplitude}": woven(period, amplitude)
        for period in (2, 8)
        for amplitude in (1, 3, 8)
    },
}

if __name__ == "__main__":
    main()
