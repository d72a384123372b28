"""Are these tiles what a model made of these label maps? Each is made again and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from histosyn.images.folder import find_images
from histosyn.images.strips import tiff_tiles
from histosyn.images.tiles import read_tile
from histosyn.manifests.manifest import MANIFEST, Entries, read_manifest
from histosyn.models.folder import Model
from histosyn.pyramids.bigtiff import Codec
from histosyn.sources.naming import composed
from histosyn.synthesis.job_tile import made_tile
from histosyn.synthesis.plan import Job
from histosyn.synthesis.provenance import RECORDS, Record, mark_of, tile_png_bytes
from histosyn.synthesis.slide_config import SlideConfig
from histosyn.synthesis.slides import SlideWork
from hpc.errors import HistosynError, InputError
from hpc.files import sha256_of_file

Kind = Literal["identical", "identical but for metadata", "altered", "not ours", "not checked"]
KINDS: tuple[Kind, ...] = (
    "identical", "identical but for metadata", "altered", "not ours", "not checked",
)  # fmt: skip
Track = Callable[[Sequence[Path]], Iterator[Path]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a file is; `detail` says where it was altered, or why it could not be checked."""

    file: str
    kind: Kind
    detail: str = ""


def verify_tiles(model: Model, tiles: Path, labels: Path, track: Track = iter) -> list[Verdict]:
    """A verdict on each image below `tiles`, which `model` is said to have made of `labels`.

    Raises InputError if there is no image.
    """
    paths = find_images(tiles)
    if not paths:
        raise InputError(f"{tiles} holds no image. Check the path.")
    manifest = read_manifest(tiles)
    return [_verdict(model, tiles, path, labels, manifest) for path in track(paths)]


def _verdict(model: Model, tiles: Path, path: Path, labels: Path, manifest: Entries) -> Verdict:
    name = path.relative_to(tiles).as_posix()
    told = mark_of(path) or manifest.get(name)
    if told is None:
        return Verdict(file=name, kind="not ours", detail="neither it nor a manifest tells of it")
    try:
        record = RECORDS.checked(_of_record(told), name)
        return _compared(model, path, name, labels, record, tiles)
    except HistosynError as error:
        return Verdict(file=name, kind="not checked", detail=str(error))


def _of_record(told: dict[str, Any]) -> dict[str, Any]:
    beside = ("output_sha256", "changed_share", "largest_change")
    return {key: value for key, value in told.items() if key not in beside}


def _compared(
    model: Model, path: Path, name: str, labels: Path, record: Record, tiles: Path
) -> Verdict:
    if record.model_sha256 != model.sha256:
        said = f"made, it says, by the model {record.model_sha256[:12]}, not by this one"
        return Verdict(file=name, kind="not checked", detail=said)
    if record.precision != model.precision:
        said = f"made in {record.precision}: pass --precision {record.precision}"
        return Verdict(file=name, kind="not checked", detail=said)
    label = labels / record.label
    if not label.is_file() or sha256_of_file(label) != record.label_sha256:
        said = f"{label} is not there, or not the label map that it was made of"
        return Verdict(file=name, kind="not checked", detail=said)
    key = composed(Path(record.label).with_suffix("").as_posix())
    job = Job(key=key, label=label, record=record, again=tiles / MANIFEST)
    return _of_slide(model, path, name, job) if job.is_slide else _of_tile(model, path, name, job)


def _of_tile(model: Model, path: Path, name: str, job: Job) -> Verdict:
    made = made_tile(model, job)
    if path.read_bytes() == tile_png_bytes(made.pixels, job.record):
        return Verdict(file=name, kind="identical")
    found = read_tile(path)
    if found.shape != made.pixels.shape:
        said = f"{found.shape[1]}x{found.shape[0]} pixels, it was {_size(made.pixels)}"
        return Verdict(file=name, kind="altered", detail=said)
    differs = (found != made.pixels).any(axis=2)
    if not differs.any():
        return Verdict(file=name, kind="identical but for metadata")
    return Verdict(file=name, kind="altered", detail=_where(differs))


def _of_slide(model: Model, path: Path, name: str, job: Job) -> Verdict:
    """Compressed tile by tile; those of the full size tell where it was altered."""
    codec: Codec = "deflate" if job.record.codec == "deflate" else "jpeg"
    with TemporaryDirectory() as folder:
        work = SlideWork(model, job, Path(folder), SlideConfig(codec=codec))
        work.prepare()
        for number in work.missing():
            work.make(number)
        if work.finish() == sha256_of_file(path):
            return Verdict(file=name, kind="identical")
        made, found = tiff_tiles(work.path), tiff_tiles(path)
        differing = [
            place for (place, ours), (_, theirs) in zip(made, found, strict=False) if ours != theirs
        ]
    if not differing:
        return Verdict(file=name, kind="identical but for metadata")
    top, left = differing[0]
    said = f"{len(differing)} tiles, the first at row {top}, column {left}"
    return Verdict(file=name, kind="altered", detail=said)


def _where(differs_HW: np.ndarray) -> str:
    rows, columns = differs_HW.nonzero()
    return (
        f"{differs_HW.sum():,} pixels in rows {rows.min()} to {rows.max()}, columns "
        f"{columns.min()} to {columns.max()}"
    )


def _size(tile_HWC: np.ndarray) -> str:
    return f"{tile_HWC.shape[1]}x{tile_HWC.shape[0]}"
