"""Checks of the scale of a folder: which label maps are resampled, which objects look too large."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from histosyn.images.file import size_in_header
from histosyn.images.resampling import resample_labels, scaled_size
from histosyn.labels.label_map import read_label_map
from histosyn.labels.object_sizes import SAMPLE, measure_objects, odd_sizes
from histosyn.models.folder import Model
from histosyn.synthesis.plan import Job
from hpc.errors import HistosynError
from hpc.log import logger
from hpc.randomness import distinct_integers, key_of


def report_scale(model: Model, jobs: Sequence[Job]) -> None:
    """Say which label maps are resampled, and warn if objects are of another size than usual."""
    jobs = list({job.label: job for job in jobs}.values())
    _tell_resampling(jobs)
    _warn_of_sizes(model, jobs)


def _tell_resampling(jobs: Sequence[Job]) -> None:
    alike: defaultdict[float, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.record.resampled is not None:
            alike[job.record.resampled.source_mpp].append(job)
    for source_mpp, of_one in sorted(alike.items()):
        resampled = of_one[0].record.resampled
        size = size_in_header(of_one[0].label)
        if resampled is None or size is None:
            continue
        (height, width), (new_height, new_width) = size, scaled_size(size, resampled.scale)
        logger.info(
            "%d label maps are at %g microns per pixel, the model at %g: they are resampled, "
            "%dx%d pixels become %dx%d", len(of_one), source_mpp, resampled.mpp, width, height,
            new_width, new_height,
        )  # fmt: skip


def _warn_of_sizes(model: Model, jobs: Sequence[Job]) -> None:
    if not model.facts.objects:
        return
    odd = odd_sizes(
        measure_objects(_some_label_maps(model, jobs), model.facts.schema), model.facts.objects
    )
    if odd is not None:
        logger.warning(
            "In these label maps the objects of %s are %.1f times as wide as in the model's "
            "training tiles (median of %d: %.0f pixels; there %.0f). At another resolution than "
            "the model's the tissue gets a wrong scale. %s", odd.name, odd.ratio, odd.here.count,
            odd.here.median_diameter, odd.training.median_diameter,
            _remedy(model.facts.mpp, odd.ratio, jobs),
        )  # fmt: skip


def _remedy(mpp: float | None, ratio: float, jobs: Sequence[Job]) -> str:
    if mpp is None:
        return "Bring the label maps to the resolution of the training tiles."
    if any(job.record.resampled is not None or job.mpp_is_said for job in jobs):
        return "Check the microns per pixel that were given."
    return (
        f"The model's is {mpp:g} microns per pixel: if theirs is about {mpp / ratio:.2g}, pass "
        "--source-mpp."
    )


def _some_label_maps(model: Model, jobs: Sequence[Job]) -> Iterator[np.ndarray]:
    """As the network is going to see them; always the same ones."""
    for number in distinct_integers(key_of(0, "object sizes"), SAMPLE, len(jobs)):
        job = jobs[number]
        with suppress(HistosynError, OSError):  # told when its turn comes
            labels_HW = read_label_map(job.label, model.facts.schema)
            if job.record.resampled is not None:
                labels_HW = resample_labels(labels_HW, job.record.resampled.scale)
            yield labels_HW
