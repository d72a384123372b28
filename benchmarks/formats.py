"""What a packed format costs: milliseconds to write and read a tile, its size, its loss.

    python benchmarks/formats.py TILES

256-px crops of the tiles of a folder, each setting in turn; CPU milliseconds, best of three. Then
other decoders, as far as they are installed (pip install pyspng simplejpeg opencv-python-headless).
"""

from __future__ import annotations

import argparse
import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histosyn.images.folder import find_images
from histosyn.images.tiles import read_tile
from histosyn.packing.tiling import grid_windows

SETTINGS: dict[str, dict[str, Any]] = {
    **{f"png, level {level}": {"format": "PNG", "compress_level": level} for level in (1, 3, 6, 9)},
    "png, level 1, run lengths": {
        "format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE,
    },
    "jpg, quality 95, 4:4:4": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "jpg, quality 90, 4:4:4": {"format": "JPEG", "quality": 90, "subsampling": 0},
}  # fmt: skip
CROPS, REPEATS = 120, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    crops = crops_of(parser.parse_args().tiles)
    print(f"{len(crops)} crops\n\n| format | write (ms) | read (ms) | KiB | PSNR |")
    print("|---|---|---|---|---|")
    for name, options in SETTINGS.items():
        print(f"| {name} | {measured(crops, options)} |")
    compare_decoders(crops)


def compare_decoders(crops: list[np.ndarray]) -> None:
    print("\n| decoder | png (ms) | jpg (ms) |\n|---|---|---|")
    for name, decode_of in DECODERS.items():
        try:
            decode = decode_of()
        except ImportError:
            continue
        cells = []
        for options in (SETTINGS["png, level 1, run lengths"], SETTINGS["jpg, quality 95, 4:4:4"]):
            files = [encoded(Image.fromarray(crop), options) for crop in crops]
            try:
                cells.append(f"{decoding(files, decode):.2f}")
            except (ValueError, RuntimeError):  # a decoder of one format only
                cells.append("-")
        print(f"| {name} | {' | '.join(cells)} |")


def decoding(files: list[bytes], decode: Callable[[bytes], np.ndarray]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        for data in files:
            decode(data)
        seconds.append(time.process_time() - started)
    return 1000 * min(seconds) / len(files)


def with_pillow() -> Callable[[bytes], np.ndarray]:
    return lambda data: np.array(Image.open(io.BytesIO(data)))


def with_opencv() -> Callable[[bytes], np.ndarray]:
    import cv2

    cv2.setNumThreads(1)
    return lambda data: cv2.cvtColor(
        cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB
    )


def with_pyspng() -> Callable[[bytes], np.ndarray]:
    import pyspng

    return pyspng.load


def with_simplejpeg() -> Callable[[bytes], np.ndarray]:
    import simplejpeg

    return simplejpeg.decode_jpeg


DECODERS = {
    "Pillow": with_pillow,
    "OpenCV": with_opencv,
    "pyspng": with_pyspng,
    "simplejpeg": with_simplejpeg,
}


def crops_of(folder: Path) -> list[np.ndarray]:
    crops: list[np.ndarray] = []
    for path in find_images(folder):
        tile = read_tile(path)
        windows = grid_windows(tile.shape[:2], 256, path.name)
        crops += [np.ascontiguousarray(tile[item.area]) for item in windows]
    return crops[:: max(len(crops) // CROPS, 1)][:CROPS]


def measured(crops: list[np.ndarray], options: dict[str, Any]) -> str:
    images = [Image.fromarray(crop) for crop in crops]
    writing, reading = [], []
    for _ in range(REPEATS):
        started = time.process_time()
        files = [encoded(image, options) for image in images]
        written = time.process_time()
        read = [np.array(Image.open(io.BytesIO(data))) for data in files]
        writing.append(written - started)
        reading.append(time.process_time() - written)
    error = np.mean([np.mean((a.astype(float) - b) ** 2) for a, b in zip(read, crops, strict=True)])
    psnr = f"{10 * np.log10(255**2 / error):.1f} dB" if error else "lossless"
    milliseconds = [1000 * min(values) / len(crops) for values in (writing, reading)]
    kib = sum(map(len, files)) / len(files) / 1024
    return f"{milliseconds[0]:.2f} | {milliseconds[1]:.2f} | {kib:.0f} | {psnr}"


def encoded(image: Image.Image, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
