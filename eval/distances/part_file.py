"""Measured tiles in a file: a part of a side for `eval merge`, or a whole side in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.distances.feature_set import Features
from eval.distances.frechet import covariance_fault
from eval.distances.moments import Moments
from eval.distances.parts import MeasuredPart, merge, require_unchanged
from eval.features.extractor import Identity
from eval.features.tile_sources import StoredTiles
from eval.statistics.arrays import real_numbers
from hpc.errors import DatasetError, InputError
from hpc.job_array import parse_part
from hpc.numpy_files import (
    MAX_ARRAY_BYTES,
    READING_ERRORS,
    SMALL_BYTES,
    Npz,
    open_npz,
    write_npz,
)

_TEXTS = (
    "part", "device", "name", "preparation", "extractor", "weights_sha256", "preprocessing",
    "caveat",
)  # fmt: skip
# Names of tiles and the like, as bytes: as many as there are tiles.
_LISTS = ("digested", "sha256", "tiles", "bad")


def part_path(folder: Path, role: str, measured: MeasuredPart) -> Path:
    """Where a part of the real or the synthetic tiles goes: `ROLE-I-of-N.npz`."""
    return folder / f"{role}-{measured.part.number}-of-{measured.part.count}.npz"


def write_part(path: Path, measured: MeasuredPart) -> None:
    """Write what was measured, atomically, with the sha256 of each array."""
    identity, features = measured.identity, measured.features
    moments: dict[str, Any] = {}
    if features.moments is not None:
        moments = {"mean": features.moments.mean_D, "scatter": features.moments.scatter_DD}
    write_npz(
        path,
        {
            "part": str(measured.part),
            "total": measured.total,
            "batch_size": measured.batch_size,
            "device": measured.device,
            "name": measured.name,
            "preparation": measured.preparation,
            "extractor": identity.name,
            "weights_sha256": identity.weights_sha256,
            "preprocessing": identity.preprocessing,
            "caveat": identity.caveat or "",
            "digested": _texts(list(measured.digests)),
            "sha256": _texts(list(measured.digests.values())),
            "n": features.n,
            "features": features.kept_MD,
            "tiles": _texts(features.kept_names),
            "bad": _texts(features.bad),
            "tile_size": features.tile_size or (),
            **moments,
        },
    )


def read_part(path: Path) -> MeasuredPart:
    """Read a file of `write_part`. Raises DatasetError if it is damaged."""
    try:
        with open_npz(path) as file:
            return _measured(_arrays(file))
    except (*READING_ERRORS, InputError) as error:
        raise DatasetError(
            f"{path} cannot be read as a measured part ({str(error).removesuffix('.')}). Delete it "
            "and measure the part again."
        ) from error


def merge_parts(source: StoredTiles, role: str, folder: Path) -> tuple[MeasuredPart, int]:
    """All parts of a side in `folder` as if one process had measured it, and how many there are.

    Raises InputError if parts are missing, fit together badly, or measured other tiles than those
    that `source` holds now.
    """
    parts, what = _all_parts(role, folder), f"the {role} parts in {folder}"
    merged = merge(source, parts, what)
    require_unchanged(source, merged, what)
    return merged, len(parts)


def _texts(values: Sequence[str]) -> NDArray[np.str_]:
    # As UTF-8, because numpy would cut off zeros at the end of a name, and refuse odd file names.
    return np.frombuffer("\0".join(values).encode(errors="surrogateescape"), dtype=np.uint8)


def _arrays(file: Npz) -> dict[str, NDArray[Any]]:
    """Those of a part; the large ones only if their shapes are those of the small ones."""
    names = [*_TEXTS, *_LISTS, "total", "batch_size", "n", "tile_size"]
    arrays = {name: file.read(name, MAX_ARRAY_BYTES if name in _LISTS else SMALL_BYTES)
              for name in names}  # fmt: skip
    if "mean" in file:
        arrays["mean"] = file.read("mean")
        shape, of_scatter = arrays["mean"].shape, file.header("scatter").shape
        if of_scatter != 2 * shape:
            raise ValueError(f"mean has the shape {shape}, scatter {of_scatter}")
        arrays["scatter"] = file.read("scatter", MAX_ARRAY_BYTES)
    tiles, shape = len(_read_texts(arrays["tiles"])), file.header("features").shape
    if len(shape) != 2 or shape[0] != tiles:
        raise ValueError(f"{tiles} tiles have features of shape {shape}")
    arrays["features"] = file.read("features", MAX_ARRAY_BYTES)
    return arrays


def _measured(arrays: dict[str, NDArray[Any]]) -> MeasuredPart:
    text = {name: str(value) for name, value in arrays.items() if value.dtype.kind == "U"}
    moments = None
    n, features_MD = int(arrays["n"]), real_numbers(arrays["features"], "features")
    if "mean" in arrays:
        moments = _moments(n, arrays)
    tile_size = tuple(int(length) for length in arrays["tile_size"]) or None
    names, digested = _read_texts(arrays["tiles"]), _read_texts(arrays["digested"])
    return MeasuredPart(
        part=parse_part(text["part"]),
        total=int(arrays["total"]),
        batch_size=int(arrays["batch_size"]),
        device=text["device"],
        name=text["name"],
        preparation=text["preparation"],
        identity=Identity(
            name=text["extractor"],
            weights_sha256=text["weights_sha256"],
            preprocessing=text["preprocessing"],
            caveat=text["caveat"] or None,
        ),
        features=Features(
            n=n,
            kept_MD=features_MD,
            kept_names=names,
            moments=moments,
            tile_size=tile_size,  # type: ignore[arg-type]
            bad=_read_texts(arrays["bad"]),
        ),
        digests=dict(zip(digested, _read_texts(arrays["sha256"]), strict=True)),
    )


def _moments(n: int, arrays: dict[str, NDArray[Any]]) -> Moments:
    mean_D, scatter_DD = (real_numbers(arrays[name], name) for name in ("mean", "scatter"))
    if n < 0 or mean_D.ndim != 1 or scatter_DD.shape != 2 * mean_D.shape:
        raise ValueError(f"mean has the shape {mean_D.shape}, scatter {scatter_DD.shape}")
    if mean_D.size and (fault := covariance_fault(scatter_DD)):
        raise ValueError(f"scatter: {fault}")
    return Moments(n=n, mean_D=mean_D, scatter_DD=scatter_DD)


def _read_texts(data: NDArray[np.uint8]) -> tuple[str, ...]:
    text = data.tobytes().decode(errors="surrogateescape")
    return tuple(text.split("\0")) if text else ()


def _all_parts(role: str, folder: Path) -> list[MeasuredPart]:
    """In their order, complete."""
    parts = [read_part(path) for path in sorted(folder.glob(f"{role}-*-of-*.npz"))]
    counts = sorted({part.part.count for part in parts})
    if len(counts) != 1:
        found = f"parts of {' and of '.join(map(str, counts))}" if counts else "no parts"
        raise InputError(
            f"{folder} holds {found} of the {role} tiles. Measure them with --part 1/N to N/N, all "
            "with the same N and in a folder of their own."
        )
    by_number = {part.part.number: part for part in parts}
    missing = [number for number in range(1, counts[0] + 1) if number not in by_number]
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} of the {counts[0]} parts of the {role} tiles, first "
            f"{missing[0]}/{counts[0]}. Measure it: run the same command with --part "
            f"{missing[0]}/{counts[0]}."
        )
    return [by_number[number] for number in sorted(by_number)]
