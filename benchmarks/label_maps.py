"""Label maps to measure networks on, from maps of large regions to pure noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from histosyn.images.folder import find_images
from histosyn.labels.label_map import read_label_map
from histosyn.labels.schema import load_schema
from histosyn.phantom import render_phantom

NUCLEI = 3
# The share of the pixels of speckled maps that are noise.
SPECKS = 0.05


def label_maps(kind: str, classes: int, count: int, size: int) -> torch.Tensor:
    """(N, H, W) int64 label maps, the same every time.

    `kind` is "nuclei" (phantom tissue; with more than four classes its nuclei lie in regions of the
    others), "regions", "speckled" (nuclei with noise in a twentieth of the pixels), "noise", or
    FOLDER:SCHEMA for the middles of label maps read from files.
    """
    if ":" in kind:
        return _read(kind, count, size)
    random = torch.Generator().manual_seed(0)
    noise = torch.randint(0, classes, (count, size, size), generator=random)
    if kind == "noise":
        return noise
    if kind == "speckled":
        speck = torch.rand(noise.shape, generator=random) < SPECKS
        return torch.where(speck, noise, label_maps("nuclei", classes, count, size))
    phantom = [torch.from_numpy(render_phantom(0, i, size)[1]).long() for i in range(count)]
    tissue = torch.stack(phantom)
    if kind == "nuclei" and classes == 4:
        return tissue
    regions = _regions(classes if kind == "regions" else classes - 1, count, size)
    if kind == "regions":
        return regions
    return torch.where(tissue == NUCLEI, classes - 1, regions)


def _regions(classes: int, count: int, size: int) -> torch.Tensor:
    """The largest of smooth random fields: regions some fifty pixels across."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, classes, size // 32, size // 32, generator=random)
    return functional.interpolate(coarse, size=(size, size), mode="bicubic").argmax(1)


def _read(kind: str, count: int, size: int) -> torch.Tensor:
    folder, schema = kind.rsplit(":", 1)
    paths = find_images(Path(folder))
    chosen = [paths[i * len(paths) // count] for i in range(count)]
    return torch.stack(
        [_middle(read_label_map(path, load_schema(schema)), size) for path in chosen]
    )


def _middle(labels_HW: np.ndarray, size: int) -> torch.Tensor:
    top, left = ((side - size) // 2 for side in labels_HW.shape)
    if min(top, left) < 0:
        raise SystemExit(f"Label maps of at least {size} pixels a side are needed.")
    return torch.from_numpy(labels_HW[top : top + size, left : left + size].astype(np.int64))
