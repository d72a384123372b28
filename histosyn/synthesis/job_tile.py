"""One tile of a folder: read its label map, make the tile, tell how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from histosyn.images.file import image_bytes
from histosyn.models.folder import Model
from histosyn.synthesis.field_tissue import DEFAULT_MEMORY_GIB
from histosyn.synthesis.from_manifest import rerolls_of
from histosyn.synthesis.label_fields import labels_of
from histosyn.synthesis.plan import Job
from histosyn.synthesis.provenance import Record, Rerolled
from histosyn.synthesis.rerolls import Rerolls, areas_png_bytes, painting_key
from histosyn.synthesis.selection import selected
from histosyn.synthesis.tile import synthesize, synthesize_painted
from hpc.errors import InputError, LabelError
from hpc.files import sha256_of_bytes
from hpc.randomness import key_of

# Beside the tiles, where no command looks for such.
_AREAS = ".rerolls"


@dataclass(frozen=True, kw_only=True)
class MadeTile:
    """A tile uint8 (H, W, 3), how it was made, of what, and where its noise is another."""

    record: Record
    pixels: np.ndarray
    labels_HW: np.ndarray
    rerolls: Rerolls | None


def made_tile(model: Model, job: Job, memory_gib: float = DEFAULT_MEMORY_GIB) -> MadeTile:
    """Make the tile of a job; what is recorded is what was read.

    Raises what is wrong with the label map, and LabelError if it is another than when the work was
    planned.
    """
    source = image_bytes(job.label, str(job.label))
    record = replace(job.record, label_sha256=sha256_of_bytes(source))
    labels_HW = labels_of(source, job.label, record, model.facts.schema)
    if job.reroll is not None:
        record = replace(record, rerolled=rerolled_by(job, labels_HW, model)[0])
    if job.again is not None and record != job.record:
        raise LabelError(f"{job.label} was replaced after synthesis began. Start it again.")
    rerolls = _rerolls(model, job, record, labels_HW)
    if rerolls is None:
        make = partial(_tried, model, job, record, labels_HW, memory_gib)
        if job.selection is None:
            pixels = make(0 if record.selected is None else record.selected.kept or 0)
        else:
            pixels, told = selected(job.selection, labels_HW, make)
            record = replace(record, selected=told)
    else:
        key_for = partial(_key, job) if record.painted is None else painting_key
        pixels, _ = synthesize_painted(
            model, labels_HW, record.seed, rerolls, stain=record.stain, key_for=key_for
        )
    return MadeTile(record=record, pixels=pixels, labels_HW=labels_HW, rerolls=rerolls)


def without_rerolls(job: Job) -> Job:
    """The job of the tile that it would be without noise of its own anywhere."""
    return replace(job, reroll=None, record=replace(job.record, rerolled=None))


def rerolled_by(job: Job, labels_HW: np.ndarray, model: Model) -> tuple[Rerolled, Rerolls]:
    """What is recorded of the areas of a job that has some, and these."""
    if job.reroll is None:
        raise ValueError("a job without areas")
    resampled = job.record.resampled
    scale = resampled.scale if resampled else 1.0
    rerolls = job.reroll.rerolls(job.key, labels_HW, model.facts.schema, scale)
    if not rerolls.used:
        raise LabelError(f"{job.label} has no pixel of what --reroll {job.reroll.what} names.")
    recorded = Rerolled(
        seeds=rerolls.seeds,
        areas=f"{_AREAS}/{job.record.file}",
        areas_sha256=sha256_of_bytes(areas_png_bytes(rerolls)),
    )
    return recorded, rerolls


def with_areas(job: Job, model: Model) -> Job:
    """A job whose record tells its areas; one whose label map is bad as it is, to be told later."""
    try:
        source = image_bytes(job.label, str(job.label))
        labels_HW = labels_of(source, job.label, job.record, model.facts.schema)
        recorded, _ = rerolled_by(job, labels_HW, model)
    except (InputError, OSError):
        return job
    return replace(job, record=replace(job.record, rerolled=recorded))


def _rerolls(model: Model, job: Job, record: Record, labels_HW: np.ndarray) -> Rerolls | None:
    if job.reroll is not None:
        return rerolled_by(job, labels_HW, model)[1]
    told = record.painted or record.rerolled
    if job.again is None or told is None:
        return None
    return rerolls_of(told, job.again, labels_HW.shape)


def _tried(
    model: Model, job: Job, record: Record, labels_HW: np.ndarray, memory_gib: float, number: int
) -> np.ndarray:
    """The tile of a try; the first is the one that it would be without selection."""
    key = _key(job, record.seed)
    key = key if number == 0 else key_of(key, "try", number)
    return synthesize(model, labels_HW, key, record.stain, memory_gib)


def _key(job: Job, seed: int) -> int:
    return key_of(seed, "synthesis", job.key, job.record.variant)
