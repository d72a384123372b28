"""`histosyn eval agreement`: how well readers agree, on real and on synthetic images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError
from hpc.files import require_file
from launch.output_checks import check_output_file

if TYPE_CHECKING:
    from eval.statistics.result import Result


def _refuse_option(type_: Any, categories: str | None) -> None:
    """Grades may begin with a hyphen (-1,0,1); where none is given, the next option is no grade."""
    if categories is not None and categories.startswith("--") and "," not in categories:
        raise ValueError(f"The grades are missing: {categories} is an option.")


def agreement(
    ratings: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    categories: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, validator=_refuse_option)
    ] = None,
    raters: str | None = None,
    margin: Annotated[float | None, Parameter(validator=InRange(gt=0, lt=2))] = None,
    paired: Annotated[bool, Parameter(negative=())] = False,
    resample_raters: Annotated[bool, Parameter(negative=())] = False,
    confidence: Literal["real", "synthetic"] | None = None,
    schema: str | None = None,
    groups: Path | None = None,
    replicates: Annotated[int, Parameter(validator=InRange(gte=1))] = 2000,
    seed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
    json: Path | None = None,
) -> None:
    """Agreement of readers beyond chance, and its difference between real and synthetic images.

    Per arm: percent agreement; Light's, Fleiss' and Conger's κ, Brennan-Prediger's (Randolph's) κ,
    Gwet's AC1 and AC2, Krippendorff's α, intraclass correlations; Cohen's κ and Scott's π of every
    pair. Each with an interval by bootstrap and, where one is known, by formula. With both arms,
    the difference real - synthetic with interval, permutation test, equivalence test and, by
    formula, the comparison of independent κ.

    Example: histosyn eval agreement ratings.csv --categories 1,2,3,4,5 --json agreement.json

    Example: histosyn eval agreement ratings.csv --categories none,mild,severe --margin 0.1

    Example: histosyn eval agreement sure.csv --categories 1,2,3,4,5 --confidence synthetic

    With folders in place of the CSV, label maps of the same tiles are compared, pixel by pixel:
    κ, α, Dice and IoU, of all classes and of each, with intervals by bootstrap over tiles or
    patients.

    Example: histosyn eval agreement annotator1 annotator2 --schema colon-10 --groups patients.csv

    Parameters
    ----------
    ratings
        CSV (commas, semicolons or tabs) with the header image,rater,rating (a row a rating) or
        image,R1,R2,... (a column a rater). With a column arm (real or synthetic) each arm is
        reported by itself. Missing ratings are fine. Rater ids should be pseudonyms: results
        repeat them. Or two folders of label maps, or more.
    categories
        The scale in its order, for instance 1,2,3,4,5 or -1,0,1 or none,mild,moderate,severe; also
        the grades that nobody used: they change weighted statistics. Default: that of the study
        beside the file (histosyn study read), or the ratings found in it, with a warning.
    raters
        The readers to compare, for instance R1,R2; others, and other columns, are left aside.
        Default: all raters; columns whose names say that they are something else (patient, comment)
        are left aside, with a warning, and one with values of another scale is refused.
    margin
        The largest difference between the arms that would not matter, set before the ratings were
        seen. With it, every difference is tested for equivalence. Default: that of the study's
        protocol, where agreement is its primary outcome.
    paired
        Equal names in both arms are pairs (a tile and its synthetic twin): they are drawn and
        permuted together.
    resample_raters
        Draw raters too, as if other readers of the same kind had read: wider intervals, for
        claims beyond the readers at hand. Needs three raters or more.
    confidence
        Ratings are how sure a reader is, in rising order of the scale, that an image is synthetic
        (or real): how well readers tell the arms apart is then reported, too, as the area under the
        ROC curve (AUC) of each reader and the mean of readers.
    schema
        Label schema of the label maps: prostate-2, prostate-3, colon-10 or a TOML file.
    groups
        CSV with the columns tile and patient: whole patients are drawn, for tiles of one patient
        are not independent.
    replicates
        Bootstrap resamples, and random permutations.
    seed
        Seed of the resampling.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    from launch.terminal.agreement import show_ratings
    from launch.terminal.label_agreement import show_labels

    check_output_file(json, "--json")
    show: Callable[[Result], None] = show_ratings
    if any(path.is_dir() for path in ratings):
        of_ratings = {
            "--categories": categories,
            "--raters": raters,
            "--margin": margin,
            "--paired": paired or None,
            "--resample-raters": resample_raters or None,
            "--confidence": confidence,
        }
        _refuse(of_ratings, "is for ratings in a CSV, not for label maps")
        show = show_labels
        result = _of_label_maps(ratings, schema, groups, replicates=replicates, seed=seed)
    else:
        _refuse({"--schema": schema}, "is for folders of label maps")
        if len(ratings) != 1:
            raise InputError(
                f"{len(ratings)} files of ratings are given. Give one CSV, with a column arm for "
                "real and synthetic images, or folders of label maps."
            )
        result = _of_ratings(
            ratings[0],
            _listed(categories),
            _listed(raters),
            replicates=replicates,
            seed=seed,
            resample_raters=resample_raters,
            confidence=confidence,
            margin=margin,
            paired=paired,
            groups=groups,
        )
    if json is not None:
        result.save(json)
    show(result)


def _of_ratings(
    path: Path,
    scale: tuple[str, ...] | None,
    raters: tuple[str, ...] | None,
    **options: Any,
) -> Result:
    from eval.agreement.ratings.arms import read_ratings
    from eval.agreement.report import Plan, report_agreement
    from eval.study.reading import record_beside

    require_file(path, "ratings")
    record = record_beside(path)
    told = () if record is None else record.deviations
    planned = None if record is None else record.protocol.design
    primary = planned.statistic if planned and planned.primary == "agreement" else None
    if planned and primary:
        margin = options["margin"] = options["margin"] or planned.margin
        if margin != planned.margin:
            told += (f"the margin is {margin:g}, planned was {planned.margin:g}",)
    if planned and scale is None and path.name.startswith("grades"):
        scale = planned.categories or None
    result = report_agreement(read_ratings(path, scale, raters), Plan(**options))
    warnings = (f"Not as planned: {text}." for text in told)
    return replace(
        result,
        warnings=(*result.warnings, *warnings),
        settings=result.settings | {"primary": primary},
    )


def _listed(option: str | None) -> tuple[str, ...] | None:
    return None if option is None else tuple(option.split(","))


def _of_label_maps(
    folders: tuple[Path, ...], schema: str | None, groups: Path | None, **options: Any
) -> Result:
    from eval.agreement.labels.agreement import report_label_agreement
    from histosyn.labels.label_map import load_schema

    if schema is None:
        raise InputError(
            "--schema is missing: label maps are read by a schema. Give prostate-2, prostate-3, "
            "colon-10 or a TOML file; histosyn doctor proposes one."
        )
    return report_label_agreement(folders, load_schema(schema), groups=groups, **options)


def _refuse(options: Mapping[str, object], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(f"{name} {why}. Leave it out.")
