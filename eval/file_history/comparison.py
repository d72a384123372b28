"""Do the files of two arms differ in more than their tissue? Then everything else tells that, too.

A distance, a classifier and a reader take a JPEG's grid, a scanner's glass or a frame of black
pixels for a difference of tissue, or find the synthetic arm by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

from eval.file_history.files import FileFacts, facts_of, summary_of
from eval.file_history.jpeg_grid import THRESHOLD
from eval.file_history.traces import JPEG_GRID, TRACES, Floats, traces_of
from histosyn.images.tiles import read_tile
from hpc.errors import DatasetError

# Patients differ among themselves in glass and sharpness, so that a significant difference is not
# enough: nearly every tile of the one arm must lie beyond nearly every tile of the other.
APART = 0.9
_LEVEL = 0.001
BYTES = "bytes_a_pixel"
_TITLES = {**TRACES, BYTES: "bytes a pixel"}
_REMEDY = (
    "Distances, classifiers and readers see that, too: bring both through the same scaling, format "
    "and quality."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """Traces (N, 7) of an arm's tiles, and the facts of the files they are in, if they are in any.

    A data set in shards has no such files.
    """

    traces_NT: Floats
    files: tuple[FileFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One number of a tile, compared: how often it is higher in a synthetic tile than in a real.

    `apart` if it tells the arms apart; `auc` is None where an arm has no tile that tells.
    """

    name: str
    real: float | None
    synthetic: float | None
    n_real: int
    n_synthetic: int
    auc: float | None
    p: float | None
    apart: bool


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """What tells two arms apart besides tissue: `in_pixels`, and `in_files`, as sentences' parts.

    A difference in files alone (format, bytes, metadata) is nothing that a network could see; a
    reader, who gets the files, could.
    """

    n_real: int
    n_synthetic: int
    jpeg_share: dict[str, float | None]
    traces: tuple[Trace, ...]
    files: dict[str, dict[str, Any]]
    in_pixels: tuple[str, ...]
    in_files: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """One line about what is in the pixels; None if nothing tells the arms apart."""
        if not self.in_pixels:
            return None
        return f"More than tissue tells the arms apart: {'; '.join(self.in_pixels)}. {_REMEDY}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "n": {"real": self.n_real, "synthetic": self.n_synthetic},
            "jpeg_share": self.jpeg_share,
            "traces": [{"title": _TITLES[trace.name], **vars(trace)} for trace in self.traces],
            "files": self.files,
            "in_pixels": list(self.in_pixels),
            "in_files": list(self.in_files),
            "method": f"apart: Mann-Whitney AUC beyond {APART} or below {1 - APART:.1f} with "
            f"p < {_LEVEL}; a JPEG grid: share of tiles above {THRESHOLD}, Fisher's exact test",
        }


def history_of_files(real: Sequence[Path], synthetic: Sequence[Path]) -> FileHistory:
    """Compare image files as they are. Raises DatasetError for one that is no tile."""
    return compare_histories(_arm_of(real), _arm_of(synthetic))


def arm_of_tiles(tiles: Iterable[Any]) -> Arm:
    """An arm of tiles (H, W, 3), uint8, that are in no file."""
    return Arm(traces_NT=_table([traces_of(tile_HWC) for tile_HWC in tiles]))


def _arm_of(paths: Sequence[Path]) -> Arm:
    return Arm(
        traces_NT=_table([traces_of(read_tile(path)) for path in paths]),
        files=tuple(facts_of(path, str(path)) for path in paths),
    )


def _table(rows: Sequence[Floats]) -> Floats:
    return np.array(rows).reshape(-1, len(TRACES))


def compare_histories(real: Arm, synthetic: Arm) -> FileHistory:
    """Compare two arms. Raises DatasetError if one is empty."""
    for role, arm in (("real", real), ("synthetic", synthetic)):
        if not len(arm.traces_NT):
            raise DatasetError(f"The {role} arm has no tile that can be read. Check the path.")
    traces = tuple(
        _compared(name, real.traces_NT[:, column], synthetic.traces_NT[:, column])
        for column, name in enumerate(TRACES)
    )
    shares, differ = _grids(real.traces_NT[:, 0], synthetic.traces_NT[:, 0])
    has_files = bool(real.files and synthetic.files)
    sizes = [_bytes_a_pixel(arm.files) for arm in (real, synthetic)]
    weight = (_compared(BYTES, *sizes),) if has_files else ()
    grid = (_grid_words(shares),) if differ else ()
    told = tuple(_words(trace) for trace in traces if trace.apart and _counts(trace, shares))
    files = {"real": summary_of(real.files), "synthetic": summary_of(synthetic.files)}
    return FileHistory(
        n_real=len(real.traces_NT),
        n_synthetic=len(synthetic.traces_NT),
        jpeg_share=shares,
        traces=traces + weight,
        files=files if has_files else {},
        in_pixels=grid + told,
        in_files=(*_differing(files), *map(_words, (t for t in weight if t.apart)))
        if has_files
        else (),
    )


def _compared(name: str, real_N: Floats, synthetic_M: Floats) -> Trace:
    real_N, synthetic_M = (side[np.isfinite(side)] for side in (real_N, synthetic_M))
    auc = p = None
    if len(real_N) and len(synthetic_M):
        test = mannwhitneyu(synthetic_M, real_N)
        auc, p = float(test.statistic / (len(real_N) * len(synthetic_M))), float(test.pvalue)
    return Trace(
        name=name,
        real=float(np.median(real_N)) if len(real_N) else None,
        synthetic=float(np.median(synthetic_M)) if len(synthetic_M) else None,
        n_real=len(real_N),
        n_synthetic=len(synthetic_M),
        auc=auc,
        p=p,
        apart=auc is not None and p is not None and max(auc, 1 - auc) > APART and p < _LEVEL,
    )


def _grids(real_N: Floats, synthetic_M: Floats) -> tuple[dict[str, float | None], bool]:
    """The share of each arm that was a JPEG, and whether they differ."""
    sides = {"real": real_N[np.isfinite(real_N)],
             "synthetic": synthetic_M[np.isfinite(synthetic_M)]}  # fmt: skip
    shares = {role: float((side > THRESHOLD).mean()) if len(side) else None
              for role, side in sides.items()}  # fmt: skip
    counts = [[int((side > THRESHOLD).sum()), int((side <= THRESHOLD).sum())]
              for side in sides.values()]  # fmt: skip
    return shares, bool(fisher_exact(counts).pvalue < _LEVEL)


def _counts(trace: Trace, shares: dict[str, float | None]) -> bool:
    """Without JPEG the strength of its grid is noise; on one side only, it has been told."""
    return trace.name != JPEG_GRID or all(share and share > 0.5 for share in shares.values())


def _grid_words(shares: dict[str, float | None]) -> str:
    real, synthetic = (f"{share:.0%}" for share in shares.values() if share is not None)
    return f"traces of JPEG in {real} of real tiles and {synthetic} of synthetic ones"


def _words(trace: Trace) -> str:
    return f"{_TITLES[trace.name]} (AUC {trace.auc:.2f})"


def _bytes_a_pixel(files: Sequence[FileFacts]) -> Floats:
    return np.array([file.bytes / (file.width * file.height) for file in files])


def _differing(files: dict[str, dict[str, Any]]) -> list[str]:
    """What is to be seen in the files of one arm only, or in other shares."""
    words = {"formats": "format", "sizes": "size", "jpeg_tables": "JPEG quality",
             "metadata": "metadata"}  # fmt: skip
    return [
        word
        for key, word in words.items()
        if set(files["real"][key]) != set(files["synthetic"][key])
    ]
