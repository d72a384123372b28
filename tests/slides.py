"""Small slides and GeoJSON files that tests make for themselves: flat pyramidal TIFFs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Whoever imports this is skipped without the packages of the extra `slides`.
for _name in ("openslide", "shapely", "tifffile"):
    pytest.importorskip(_name, reason=f"{_name}, of the extra `slides`, is not installed")


def tissue(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Something pink and rough, uint8 (H, W, 3), of which no place is like another."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 90, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image) + np.array([130, 60, 110], dtype=np.uint8)


def write_slide(
    path: Path,
    image_HWC: np.ndarray,
    mpp: float | None = 0.25,
    levels: int = 3,
    compression: str | None = "zlib",
    xmp: bytes = b"",
) -> Path:
    """A tiled TIFF that OpenSlide reads, each level half the one before."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    per_centimetre = None if mpp is None else (1e4 / mpp, 1e4 / mpp)
    level = Image.fromarray(image_HWC)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number in range(levels):
            file.write(
                np.asarray(level),
                tile=(64, 64),
                photometric="rgb",
                compression=compression,
                subfiletype=int(number > 0),
                metadata=None,
                extratags=[(700, 1, None, xmp, True)] if xmp else [],
                resolution=per_centimetre and tuple(value / 2**number for value in per_centimetre),
                resolutionunit="CENTIMETER" if mpp else "NONE",
            )
            level = level.reduce(2)
    return path


def rectangle(left: float, top: float, right: float, bottom: float) -> list[list[list[float]]]:
    """Coordinates of a Polygon."""
    return [[[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]]


def feature(name: str | None, coordinates: list, color: tuple[int, ...] = (200, 0, 0)) -> dict:
    """An annotation as QuPath exports it."""
    said = {} if name is None else {"classification": {"name": name, "color": list(color)}}
    return {
        "type": "Feature",
        "id": "35caea95-1b6e-4b5c-9d3d-2b1f1a9f4e10",
        "geometry": {"type": "Polygon", "coordinates": coordinates},
        "properties": {"objectType": "annotation", **said},
    }


def write_geojson(path: Path, *features: dict) -> Path:
    """A FeatureCollection."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def damage_tile(path: Path, level: int, number: int) -> None:
    """Put zeros in the place of one compressed tile of a slide."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[level]
        at, size = page.dataoffsets[number], page.databytecounts[number]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(size))
