"""Replicates of an arm's ratings: one bootstrap shared by all its statistics.

Images are drawn with replacement, or whole patients with all their images; on request raters too,
as if other readers of the same kind had read.
Legend: B replicates, I images, U patterns of ratings, G patients, R raters, S statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from eval.agreement.coefficients.sample import Sample, patterns
from eval.agreement.coefficients.statistics import Statistic
from eval.statistics.arrays import Floats, Ints
from eval.statistics.bootstrap import keyed_random, resamples

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


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an arm's images are drawn from: all columns (I, C), of which its raters come later.

    Arms with equal `stream` and `codes_IC` share their draws. With `group_of_I` (I,), indices below
    `n_groups`, whole groups are drawn, and arms of equal `stream` and `n_groups` share them.
    """

    codes_IC: Ints
    first_column: int
    stream: int
    rater_times_BC: Floats | None
    group_of_I: Ints | None = None
    n_groups: int = 0


def replicated(
    source: Source, n_categories: int, panels: Sequence[Panel], resampling: Resampling
) -> list[Floats]:
    """For each panel the values (S, B) of its statistics; B is 0 if there is no image.

    Raters are drawn only for panels of more than two and for statistics that allow it.
    """
    if not len(source.codes_IC):
        return [np.empty((len(panel.statistics), 0)) for panel in panels]
    values = [np.empty((len(panel.statistics), resampling.replicates)) for panel in panels]
    start = 0
    for drawn in drawn_samples(source, n_categories, resampling):
        rows = slice(start, start + drawn.replicates)
        draws_BC = None if source.rater_times_BC is None else source.rater_times_BC[rows]
        for panel, values_SB in zip(panels, values, strict=True):
            columns = tuple(source.first_column + rater for rater in panel.raters)
            times_BR = None if draws_BC is None else draws_BC[:, columns]
            values_SB[:, rows] = _panel_values(panel, drawn.of_raters(columns), times_BR)
        start = rows.stop
    return values


def drawn_samples(
    source: Source, n_categories: int, resampling: Resampling, columns: int = 0
) -> Iterator[Sample]:
    """The replicates of all columns, in blocks: of fewer rows if `columns`, cells a row, are more.

    Two sources whose `columns` are equal, and more than they have cells, come in equal blocks.
    """
    codes_UC, counts_U = patterns(source.codes_IC)
    for times_BU in _draws(source, codes_UC, counts_U, n_categories, resampling, columns):
        yield Sample(codes_IR=codes_UC, n_categories=n_categories, times_BI=times_BU)


def _draws(
    source: Source,
    codes_UC: Ints,
    counts_U: Ints,
    n_categories: int,
    resampling: Resampling,
    columns: int,
) -> Iterator[Floats]:
    """Blocks (b, U): how often each pattern is drawn."""
    draw = partial(
        resamples,
        replicates=resampling.replicates,
        key=(resampling.seed, source.stream),
        columns=max(len(codes_UC), codes_UC.shape[1] * n_categories, columns),
    )
    if source.group_of_I is None:
        yield from draw(len(source.codes_IC), counts=counts_U)
        return
    pattern_of = {tuple(codes): place for place, codes in enumerate(codes_UC.tolist())}
    pattern_of_I = np.array([pattern_of[tuple(codes)] for codes in source.codes_IC.tolist()])
    images_GU = np.zeros((source.n_groups, len(codes_UC)))
    np.add.at(images_GU, (source.group_of_I, pattern_of_I), 1)
    for times_BG in draw(source.n_groups):
        yield times_BG @ images_GU


def enough_raters(raters: Sequence[object]) -> bool:
    """Whether raters can be drawn from these: of two, a draw leaves one too often."""
    return len(raters) > 2


def draws_raters(panel: Panel, statistic: Statistic) -> bool:
    """Whether raters can be drawn for a statistic of a panel."""
    return enough_raters(panel.raters) and statistic.resamples_raters


def _panel_values(panel: Panel, sample: Sample, draws_BR: Floats | None) -> Floats:
    if draws_BR is None:
        return np.stack([statistic.values(sample) for statistic in panel.statistics])
    with_raters = [draws_raters(panel, statistic) for statistic in panel.statistics]
    values_SB = np.empty((len(panel.statistics), sample.replicates))
    for row, (statistic, drawn_too) in enumerate(zip(panel.statistics, with_raters, strict=True)):
        if not drawn_too:
            values_SB[row] = statistic.values(sample)
    for rows, some in _by_draw(sample, draws_BR) if any(with_raters) else ():
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
