"""`histosyn eval agreement`: how well readers agree, on real and on synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from launch.outputs import check_output_file


def agreement(
    ratings: Path,
    /,
    *,
    categories: str | None = None,
    margin: Annotated[float | None, Parameter(validator=InRange(gt=0, lt=2))] = None,
    resample_raters: Annotated[bool, Parameter(negative=())] = False,
    replicates: Annotated[int, Parameter(validator=InRange(gte=1))] = 2000,
    seed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
    json: Path | None = None,
) -> None:
    """Agreement of readers beyond chance, and its difference between real and synthetic images.

    Per arm: percent agreement; Light's, Fleiss' and Conger's κ, Brennan-Prediger's (Randolph's) κ,
    Gwet's AC1 and AC2, Krippendorff's α, intraclass correlations; Cohen's κ and Scott's π of every
    pair. Each with an interval by bootstrap and, where one is known, by formula. With both arms,
    the difference real - synthetic with interval, permutation test and equivalence test.

    Example: histosyn eval agreement ratings.csv --categories 1,2,3,4,5 --json agreement.json

    Example: histosyn eval agreement ratings.csv --categories none,mild,severe --margin 0.1

    Parameters
    ----------
    ratings
        CSV (commas, semicolons or tabs) with the header image,rater,rating (a row a rating) or
        image,R1,R2,... (a column a rater). With a column arm (real or synthetic) each arm is
        reported by itself. Missing ratings are fine. Rater ids should be pseudonyms: results
        repeat them.
    categories
        The scale in its order, for instance 1,2,3,4,5 or none,mild,moderate,severe; also the
        grades that nobody used: they change weighted statistics. Default: the ratings found in
        the file, with a warning.
    margin
        The largest difference between the arms that would not matter, set before the ratings were
        seen. With it, every difference is tested for equivalence.
    resample_raters
        Draw raters too, as if other readers of the same kind had read: wider intervals, for
        claims beyond the readers at hand. Needs three raters or more.
    replicates
        Bootstrap resamples, and random permutations.
    seed
        Seed of the resampling.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    from eval.agreement_report import report_agreement
    from eval.ratings import read_ratings
    from launch.agreement_view import show

    check_output_file(json, "--json")
    scale = None if categories is None else tuple(categories.split(","))
    result = report_agreement(
        read_ratings(ratings, scale),
        replicates=replicates,
        seed=seed,
        resample_raters=resample_raters,
        margin=margin,
    )
    show(result)
    if json is not None:
        result.save(json)
