"""Whether something simple, that is not tissue, tells the arms of a study apart.

What files leave in tiles (`eval.file_history`) is compared twice: in the tiles as they came, and in
the pictures as readers get them; and the bytes that the same encoder needs for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from eval.file_history.comparison import Arm, FileHistory, Trace, compare_histories
from eval.file_history.traces import TRACES, traces_of
from eval.study.candidates import REAL
from eval.study.pictures import Picture
from hpc.progress import ProgressLog

_BYTES = "bytes before equalising"
_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Property:
    """How well one number of a picture tells the arms apart, whichever arm has more of it.

    `auc` is 0.5 or more; `p` is Mann & Whitney's. `tells`: p below 5 % even after as many tests as
    there are properties (Bonferroni).
    """

    name: str
    real: float
    synthetic: float
    auc: float
    p: float
    tells: bool

    def __str__(self) -> str:
        return (
            f"{self.name} (median {self.real:.4g} in real, {self.synthetic:.4g} in synthetic "
            f"ones; AUC {self.auc:.2f})"
        )


@dataclass(frozen=True, kw_only=True)
class Separation:
    """What tells arms apart: properties, the most telling first; what gives them away; doubts.

    `given_away` holds what nearly every picture shows (AUC beyond 0.9, p below 0.001), in the
    pictures themselves. `doubts` are sentences on what does less, and on what the tiles brought.
    """

    properties: tuple[Property, ...]
    given_away: tuple[str, ...]
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the protocol."""
        return asdict(self)


def separation_of(pictures: Sequence[Picture]) -> Separation:
    """Compare the arms of all pictures of a study."""
    progress = ProgressLog("pictures compared", total=len(pictures))
    shown = []
    for number, picture in enumerate(pictures):
        shown.append(traces_of(picture.pixels()))
        progress.update(number + 1)
    real_N = np.array([picture.tile.arm == REAL for picture in pictures])
    brought = _history([picture.traces for picture in pictures], real_N)
    as_shown = _history(shown, real_N)
    found = [_of_trace(trace) for trace in as_shown.traces]
    found.append(_of_bytes(np.array([float(one.encoded_bytes) for one in pictures]), real_N))
    properties = sorted((one for one in found if one), key=lambda one: (-one.auc, one.name))
    doubts = [f"Pictures of the two arms differ in {one}." for one in properties if one.tells]
    if only_brought := [text for text in brought.in_pixels if text not in as_shown.in_pixels]:
        doubts.append(
            f"The tiles came with more than tissue between the arms: {'; '.join(only_brought)}. "
            "All pictures are encoded alike, but what an earlier encoder took away stays away."
        )
    return Separation(
        properties=tuple(properties), given_away=as_shown.in_pixels, doubts=tuple(doubts)
    )


def _history(traces: Sequence[Any], real_N: Any) -> FileHistory:
    table = np.array(traces)
    return compare_histories(Arm(traces_NT=table[real_N]), Arm(traces_NT=table[~real_N]))


def _of_trace(trace: Trace) -> Property | None:
    if trace.auc is None or trace.p is None or trace.real is None or trace.synthetic is None:
        return None
    return _property(TRACES[trace.name], trace.real, trace.synthetic, trace.auc, trace.p)


def _of_bytes(bytes_N: Any, real_N: Any) -> Property:
    real, synthetic = bytes_N[real_N], bytes_N[~real_N]
    test = mannwhitneyu(synthetic, real)
    auc = float(test.statistic) / (len(real) * len(synthetic))
    medians = float(np.median(real)), float(np.median(synthetic))
    return _property(_BYTES, *medians, auc, float(test.pvalue))


def _property(name: str, real: float, synthetic: float, auc: float, p: float) -> Property:
    tells = p < _LEVEL / (len(TRACES) + 1)
    return Property(
        name=name, real=real, synthetic=synthetic, auc=max(auc, 1 - auc), p=p, tells=tells
    )
