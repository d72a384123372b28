"""Statistics files: pytorch-fid's `.npz` with `mu` and `sigma`, and beside them how they were made.

pytorch-fid reads our files; files of its own are accepted, their extractor being unknown.
"""

from __future__ import annotations

import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.content import content_of_file
from eval.features import Identity
from eval.frechet import covariance_fault
from eval.moments import real_numbers
from eval.population import Population
from eval.result import versions
from hpc.errors import DatasetError, InputError
from hpc.files import atomic_file, require_file
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
# What the zip, decompression and array readers below numpy are known to raise for a damaged file.
READING_ERRORS = (
    OSError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Mean and covariance as read from a file."""

    mean_D: NDArray[np.float64]
    covariance_DD: NDArray[np.float64]


def write_statistics(path: Path, population: Population) -> None:
    """Write mean, covariance and how they were made, atomically."""
    if population.identity is None or population.n is None or population.tile_size is None:
        raise InputError(f"{population.name} does not say how it was made: not written again.")
    gaussian = population.gaussian
    with atomic_file(path) as file:
        np.savez_compressed(
            file,
            mu=gaussian.mean_D,
            sigma=gaussian.covariance_DD,
            n=population.n,
            extractor=population.identity.name,
            weights_sha256=population.identity.weights_sha256,
            preprocessing=population.identity.preprocessing,
            caveat=population.identity.caveat or "",
            tile_size=population.tile_size,
            preparation=population.preparation or "",
            version=versions().get("histosyn", "unknown"),
        )


def read_statistics(path: AnyPath) -> Population:
    """Read a statistics file of ours or of pytorch-fid.

    Raises InputError if it is missing, DatasetError if it is damaged or no statistics file.
    """
    path = as_path(path, "statistics")
    require_file(path, "statistics file")
    try:
        content = read_arrays(path)
        population = _population(path, _summary(content), content)
    except (*READING_ERRORS, InputError) as error:
        raise DatasetError(
            f"{path} cannot be read as a statistics file ({str(error).removesuffix('.')}). It must "
            "be an .npz with the arrays mu and sigma, as written by --save-statistics or by "
            "pytorch-fid."
        ) from error
    return replace(population, content=content_of_file(path))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file; pickled ones are refused. Raises one of `READING_ERRORS`."""
    # Opened here, because numpy leaves open what it cannot read.
    with path.open("rb") as file, warnings.catch_warnings():
        # numpy's remark on headers written by Python 2, which old statistics files have.
        warnings.simplefilter("ignore", UserWarning)
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        return dict(archive)


def _summary(content: Mapping[str, NDArray[Any]]) -> Statistics:
    mean_D, covariance_DD = (
        real_numbers(content[key], key).astype(np.float64) for key in ("mu", "sigma")
    )
    if mean_D.ndim != 1 or covariance_DD.shape != 2 * mean_D.shape:
        raise ValueError(f"mu has the shape {mean_D.shape}, sigma {covariance_DD.shape}")
    if fault := covariance_fault(covariance_DD):
        raise ValueError(f"sigma: {fault}")
    return Statistics(mean_D=mean_D, covariance_DD=covariance_DD)


def _population(path: Path, summary: Statistics, content: Mapping[str, Any]) -> Population:
    missing = [key for key in _OWN_KEYS if key not in content]
    if 0 < len(missing) < len(_OWN_KEYS):
        raise ValueError(f"it lacks {', '.join(missing)}")
    if missing:
        return Population(name=str(path), n=None, summary=summary, identity=None)
    height, width = (int(length) for length in content["tile_size"])
    return Population(
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
