"""Statistics files: pytorch-fid's `.npz` with `mu` and `sigma`, and beside them how they were made.

pytorch-fid reads our files; files of its own are accepted, their extractor being unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet
from eval.distances.frechet import covariance_fault
from eval.features.content import content_of_file
from eval.features.extractor import Identity
from eval.statistics.arrays import real_numbers
from eval.statistics.result import versions
from hpc.errors import DatasetError, InputError
from hpc.files import require_file
from hpc.numpy_files import MAX_ARRAY_BYTES, READING_ERRORS, Npz, open_npz, write_npz
from hpc.paths import AnyPath, as_path

SUFFIX = ".npz"
_OWN_KEYS = (
    "n",
    "extractor",
    "weights_sha256",
    "preprocessing",
    "caveat",
    "tile_size",
    "preparation",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Mean and covariance as read from a file."""

    mean_D: NDArray[np.float64]
    covariance_DD: NDArray[np.float64]


def write_statistics(path: Path, feature_set: FeatureSet) -> None:
    """Write mean, covariance and how they were made, atomically."""
    if feature_set.identity is None or feature_set.n is None or feature_set.tile_size is None:
        raise InputError(f"{feature_set.name} does not say how it was made: not written again.")
    gaussian = feature_set.gaussian
    content = {
        "mu": gaussian.mean_D,
        "sigma": gaussian.covariance_DD,
        "n": feature_set.n,
        "extractor": feature_set.identity.name,
        "weights_sha256": feature_set.identity.weights_sha256,
        "preprocessing": feature_set.identity.preprocessing,
        "caveat": feature_set.identity.caveat or "",
        "tile_size": feature_set.tile_size,
        "preparation": feature_set.preparation or "",
        "version": versions().get("histosyn", "unknown"),
    }
    write_npz(path, content, compressed=True)


def read_statistics(path: AnyPath) -> FeatureSet:
    """Read a statistics file of ours or of pytorch-fid.

    Raises InputError if it is missing, DatasetError if it is damaged or no statistics file.
    """
    path = as_path(path, "statistics")
    require_file(path, "statistics file")
    try:
        with open_npz(path) as file:
            summary = _summary(file)
            content = {name: file.read(name) for name in _OWN_KEYS if name in file}
        feature_set = _feature_set(path, summary, content)
    except (*READING_ERRORS, InputError) as error:
        raise DatasetError(
            f"{path} cannot be read as a statistics file ({str(error).removesuffix('.')}). It must "
            "be an .npz with the arrays mu and sigma, as written by --save-statistics or by "
            "pytorch-fid."
        ) from error
    return replace(feature_set, content=content_of_file(path))


def _summary(file: Npz) -> Statistics:
    mean_D = real_numbers(file.read("mu"), "mu").astype(np.float64)
    shape = file.header("sigma").shape
    if mean_D.ndim != 1 or shape != 2 * mean_D.shape:
        raise ValueError(f"mu has the shape {mean_D.shape}, sigma {shape}")
    sigma = file.read("sigma", MAX_ARRAY_BYTES)
    covariance_DD = real_numbers(sigma, "sigma").astype(np.float64)
    if fault := covariance_fault(covariance_DD):
        raise ValueError(f"sigma: {fault}")
    return Statistics(mean_D=mean_D, covariance_DD=covariance_DD)


def _feature_set(path: Path, summary: Statistics, content: Mapping[str, Any]) -> FeatureSet:
    missing = [key for key in _OWN_KEYS if key not in content]
    if 0 < len(missing) < len(_OWN_KEYS):
        raise ValueError(f"it lacks {', '.join(missing)}")
    if missing:
        return FeatureSet(name=str(path), n=None, summary=summary, identity=None)
    height, width = (int(length) for length in content["tile_size"])
    return FeatureSet(
        name=str(path),
        n=int(content["n"]),
        summary=summary,
        identity=Identity(
            name=str(content["extractor"]),
            weights_sha256=str(content["weights_sha256"]),
            preprocessing=str(content["preprocessing"]),
            caveat=str(content["caveat"]) or None,
        ),
        tile_size=(height, width),
        preparation=str(content["preparation"]),
    )
