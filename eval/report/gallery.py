"""An unpicked gallery: tiles drawn by a seed from all there are, with their label maps if known."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from eval.report.sources import Sources, Tissue
from histosyn.images.file import opened_image
from histosyn.images.origin import synthetic_png_bytes
from histosyn.images.tiles import png_bytes, read_tile
from hpc.errors import HistosynError
from hpc.files import sha256_of_file
from hpc.randomness import key_of, permutation

SHOWN = 12
_SIDE = 224


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One tile of the gallery: PNGs as data addresses; `label` is None where its map is unknown."""

    name: str
    sha256: str | None
    tile: str
    label: str | None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Some of `total` tiles in `folder`, drawn by `seed`; `unread` could not be.

    `legend` has the name and the colour of each class, where a schema is known.
    """

    folder: str
    seed: int
    total: int
    pictures: tuple[Picture, ...]
    unread: tuple[str, ...]
    legend: tuple[tuple[str, str], ...] = ()


def draw_gallery(sources: Sources, seed: int) -> Gallery | None:
    """From the first folder with a manifest; None without any."""
    if not sources.tissue:
        return None
    tissue = sources.tissue[0]
    names = sorted(tissue.entries)
    chosen = permutation(key_of(seed, "gallery"), len(names))[:SHOWN]
    pictures, unread = [], []
    for number in chosen.tolist():
        try:
            pictures.append(_picture(tissue, names[number], sources.folder))
        except (HistosynError, OSError) as error:
            unread.append(str(error))
    return Gallery(
        folder=tissue.folder.relative_to(sources.folder).as_posix(),
        seed=seed,
        total=len(names),
        pictures=tuple(pictures),
        unread=tuple(unread),
        legend=_legend(sources),
    )


def _legend(sources: Sources) -> tuple[tuple[str, str], ...]:
    schema = sources.data.get("schema") or (sources.run.model.get("schema") if sources.run else {})
    classes = schema.get("classes", []) if isinstance(schema, dict) else []
    return tuple((str(one["name"]), str(one["color"])) for one in classes
                 if isinstance(one, dict) and {"name", "color"} <= set(one))  # fmt: skip


def _picture(tissue: Tissue, name: str, top: Path) -> Picture:
    entry = tissue.entries[name]
    tile = Image.fromarray(read_tile(tissue.folder / name))
    return Picture(
        name=name,
        sha256=entry.get("output_sha256"),
        tile=_address(synthetic_png_bytes(_fitted(tile, Image.Resampling.LANCZOS))),
        label=_label(top, entry),
    )


def _label(top: Path, entry: dict[str, object]) -> str | None:
    """The label map: a file of its name below the report's folder, with the digest that is told."""
    name, digest = entry.get("label"), entry.get("label_sha256")
    if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in name:
        return None
    for pattern in (name, f"*/{name}", f"*/*/{name}"):
        for path in sorted(top.glob(pattern)):
            if path.is_file() and sha256_of_file(path) == digest:
                with opened_image(path, str(path)) as image:
                    shown = image.convert("RGB")
                return _address(png_bytes(_fitted(shown, Image.Resampling.NEAREST)))
    return None


def _fitted(image: Image.Image, kind: Image.Resampling) -> Image.Image:
    scale = _SIDE / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(round(side * scale), 1) for side in image.size)
    return image.resize((width, height), kind)


def picture_of_file(path: Path, synthetic: bool) -> str:
    """A picture as a data address: its pixels, and the mark if it shows synthetic tissue.

    Raises DatasetError if it is no image.
    """
    with opened_image(path, str(path)) as image:
        pixels = Image.fromarray(np.asarray(image.convert("RGB")))
    return _address(synthetic_png_bytes(pixels) if synthetic else png_bytes(pixels))


def _address(png: bytes) -> str:
    """A PNG in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
