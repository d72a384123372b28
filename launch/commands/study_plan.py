"""`histosyn study plan`: how many readers and images a study needs."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from launch.argument_types import numbers_listed
from launch.terminal.study import show_plan


def plan(
    *,
    outcome: Literal["auc", "accuracy", "pairs", "dprime"] = "auc",
    margin: Annotated[float, Parameter(validator=InRange(gt=0, lt=2))] = 0.1,
    readers: str = "3,5,8",
    images: str = "50,100,200",
    spread: Annotated[float, Parameter(validator=InRange(gte=0, lte=3))] = 0.2,
    shared: Annotated[float, Parameter(validator=InRange(gte=0, lt=1))] = 0.3,
    levels: Annotated[int, Parameter(validator=InRange(gte=1, lte=3))] = 3,
    studies: Annotated[int, Parameter(validator=InRange(gte=50))] = 500,
    seed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
) -> None:
    """Readers x images: how wide the interval gets, and how often a true equivalence is shown.

    By simulated studies, analysed as `histosyn eval discrimination` does.

    Example: histosyn study plan --outcome auc --margin 0.1 --readers 3,5,8 --images 50,100,200

    Parameters
    ----------
    outcome
        The primary outcome of the study.
    margin
        The largest distance from chance that would not matter.
    readers
        Numbers of readers to try.
    images
        Numbers of images (of `pairs`: pairs) to try.
    spread
        Standard deviation of d' between readers: 0 where all are equally good. More readers, not
        more images, make up for it.
    shared
        Share of the variance of what readers see that they have in common.
    levels
        Levels of confidence on each side.
    studies
        Simulated studies for each row.
    seed
        Seed of the simulation.
    """
    from eval.discrimination.planning import plan as planned
    from eval.discrimination.simulated import Readers
    from hpc.log import set_up_logging
    from hpc.progress import ProgressLog
    from hpc.topology import detect

    set_up_logging(detect())
    counts, sizes = numbers_listed(readers, "--readers", 1), numbers_listed(images, "--images", 8)
    population = Readers(dprime_spread=spread, shared=shared, levels=levels)
    progress = ProgressLog("rows", total=len(counts) * len(sizes))
    rows = list(
        planned(outcome, counts, sizes, margin, population, studies=studies, seed=seed,
                done=progress.update)
    )  # fmt: skip
    show_plan(rows, outcome, margin, population)
