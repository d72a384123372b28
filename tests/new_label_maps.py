"""Small label maps to make new ones of: stroma with round glands, in which nuclei lie."""

import numpy as np

from histosyn.labels.label_map import label_png_bytes, load_schema

SCHEMA = load_schema("prostate-3")
BACKGROUND, STROMA, GLAND, NUCLEUS = range(4)
# The smaller ones first.
KINDS = (NUCLEUS, GLAND)


def glands_map(number, size=64):
    """A map with glands that have lumen and nuclei, and nuclei in the stroma; uint8."""
    rng = np.random.default_rng(number)
    y, x = np.indices((size, size))
    labels = np.full((size, size), STROMA, np.uint8)
    for cy, cx in rng.integers(8, size - 8, (3, 2)):
        distance = np.hypot(y - cy, x - cx)
        labels[distance < 8] = GLAND
        labels[distance < 4] = BACKGROUND
        labels[np.hypot(y - cy - 6, x - cx) < 1.5] = NUCLEUS
    for cy, cx in rng.integers(3, size - 3, (12, 2)):
        spot = np.hypot(y - cy, x - cx) < 2.2
        if (labels[spot] == STROMA).all():
            labels[spot] = NUCLEUS
    return labels


def write_maps(folder, count=4, size=64):
    """Maps as files; the folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        data = label_png_bytes(glands_map(number, size), SCHEMA)
        (folder / f"{number}.png").write_bytes(data)
    return folder
