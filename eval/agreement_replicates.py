"""Replicates of an arm's ratings: one bootstrap shared by all its statistics.

Images are drawn with replacement; on request raters too, as if other readers of the same kind had
read. Legend: B replicates, U patterns of ratings, R raters, S statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.agreement_statistics import Statistic
from eval.bootstrap import keyed_random, resamples
from eval.rating_sample import Floats, Ints, Sample, patterns

_RATERS = 99


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Raters (indices) who are compared (`compared` says which), by which statistics."""

    compared: str
    raters: tuple[int, ...]
    statistics: tuple[Statistic, ...]


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How to draw: `replicates` of the images with `seed`; `raters` names those drawn from too.

    All arms of a file share the draws of raters, because they share the raters.
    """

    replicates: int
    seed: int
    raters: tuple[str, ...] = ()

    def rater_times(self, names: Sequence[str]) -> Floats | None:
        """How often each replicate holds the raters `names`: (B, R); None: once, always."""
        if not self.raters:
            return None
        n = len(self.raters)
        random = keyed_random((self.seed, _RATERS))
        times_BR = random.multinomial(n, np.full(n, 1 / n), size=self.replicates)
        return times_BR[:, [self.raters.index(name) for name in names]].astype(np.float64)


def replicated(
    codes_IR: Ints,
    n_categories: int,
    panels: Sequence[Panel],
    *,
    resampling: Resampling,
    stream: int,
    rater_times_BR: Floats | None,
) -> list[Floats]:
    """For each panel the values (S, B) of its statistics; B is 0 if there is no image.

    Raters are drawn only for panels of more than two and for statistics that allow it. `stream`
    keeps the draws of arms apart.
    """
    if not len(codes_IR):
        return [np.empty((len(panel.statistics), 0)) for panel in panels]
    codes_UR, counts_U = patterns(codes_IR)
    values = [np.empty((len(panel.statistics), resampling.replicates)) for panel in panels]
    start = 0
    for times_BU in resamples(
        len(codes_IR),
        replicates=resampling.replicates,
        key=(resampling.seed, stream),
        counts=counts_U,
    ):
        rows = slice(start, start + len(times_BU))
        drawn = Sample(codes_IR=codes_UR, n_categories=n_categories, times_BI=times_BU)
        draws_BR = None if rater_times_BR is None else rater_times_BR[rows]
        for panel, values_SB in zip(panels, values, strict=True):
            values_SB[:, rows] = _panel_values(panel, drawn, draws_BR)
        start = rows.stop
    return values


def draws_raters(panel: Panel, statistic: Statistic) -> bool:
    """Whether raters can be drawn for a statistic: of two, a draw leaves one too often."""
    return len(panel.raters) > 2 and statistic.resamples_raters


def _panel_values(panel: Panel, drawn: Sample, draws_BR: Floats | None) -> Floats:
    sample = drawn.of_raters(panel.raters)
    if draws_BR is None:
        return np.stack([statistic.values(sample) for statistic in panel.statistics])
    with_raters = [draws_raters(panel, statistic) for statistic in panel.statistics]
    values_SB = np.empty((len(panel.statistics), sample.replicates))
    for row, (statistic, drawn_too) in enumerate(zip(panel.statistics, with_raters, strict=True)):
        if not drawn_too:
            values_SB[row] = statistic.values(sample)
    for rows, some in _by_draw(sample, draws_BR[:, panel.raters]) if any(with_raters) else ():
        for row, statistic in enumerate(panel.statistics):
            if with_raters[row]:
                values_SB[row, rows] = statistic.values(some)
    return values_SB


def _by_draw(sample: Sample, draws_BR: Floats) -> Iterator[tuple[Ints, Sample]]:
    """The replicates of each different draw of raters: which they are, and the sample of them."""
    draws_DR, draw_of_B = np.unique(draws_BR, axis=0, return_inverse=True)
    for draw, times_R in enumerate(draws_DR):
        rows = np.flatnonzero(draw_of_B.reshape(-1) == draw)
        held = tuple(np.flatnonzero(times_R).tolist())
        some = replace(sample, times_BI=sample.times_BI[rows], times_R=times_R)
        yield rows, some.of_raters(held)
