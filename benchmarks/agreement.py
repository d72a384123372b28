"""Agreement statistics: seconds of a whole report, of each statistic against a loop, and coverage.

    python benchmarks/agreement.py [--images 1000 --raters 6 --replicates 2000]
    python benchmarks/agreement.py --coverage 1000

The loop computes every replicate anew with statsmodels (Fleiss) or scikit-learn (Cohen), as scripts
do; it is given a few replicates, and the ratio is by replicate. Coverage: how often the 95 %
intervals hold the value of a million images, from so many studies of each size.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels

from eval.agreement.coefficients.sample import Sample, patterns
from eval.agreement.coefficients.statistics import Statistic, statistic_of
from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import Plan, report_agreement
from eval.statistics.arrays import Floats, Ints
from eval.statistics.bootstrap import percentile_interval, resamples

SCALE = tuple("12345")
_LOOPED = 40


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--raters", type=int, default=6)
    options.add_argument("--replicates", type=int, default=2000)
    options.add_argument("--coverage", type=int, default=0)
    given = options.parse_args()
    console = Console(width=110)
    if given.coverage:
        console.print(coverage_table(given.coverage))
        return
    codes_IR = grades(given.images, given.raters, np.random.default_rng(0))
    console.print(report_table(codes_IR, given.replicates))
    console.print(loop_table(codes_IR, given.replicates))


def grades(images: int, raters: int, random: np.random.Generator) -> Ints:
    """Five grades; each rater is right or a grade off, more often so in the middle of the scale."""
    truth_I1 = random.integers(0, 5, (images, 1))
    return np.clip(truth_I1 + random.integers(-1, 2, (images, raters)), 0, 4)


def report_table(codes_IR: Ints, replicates: int) -> Table:
    """Everything `histosyn eval agreement` does but printing; two arms are halves of the images."""
    table = Table("report", "numbers", "seconds")
    for name, arms, resample_raters in (
        ("one arm", 1, False),
        ("two arms, difference, permutations", 2, False),
        ("the same, raters drawn too", 2, True),
    ):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "ratings.csv"
            write_ratings(path, codes_IR, arms)

            def whole(path: Path = path, resample_raters: bool = resample_raters) -> int:
                plan = Plan(replicates=replicates, resample_raters=resample_raters)
                result = report_agreement(read_ratings(path, SCALE), plan)
                return len(result.numbers)

            seconds, numbers = timed(whole)
        table.add_row(name, str(numbers), f"{seconds:.1f}")
    return table


def write_ratings(path: Path, codes_IR: Ints, arms: int) -> None:
    raters = ",".join(f"R{rater + 1}" for rater in range(codes_IR.shape[1]))
    lines = [f"image,arm,{raters}" if arms == 2 else f"image,{raters}"]
    for image, codes in enumerate(codes_IR):
        arm = [("real", "synthetic")[image % 2]] if arms == 2 else []
        lines.append(",".join([f"i{image}", *arm, *(SCALE[code] for code in codes)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def loop_table(codes_IR: Ints, replicates: int) -> Table:
    table = Table("statistic", "vectorised (ms a replicate)", "loop (ms a replicate)", "ratio")
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(codes_IR), len(codes_IR)) for _ in range(_LOOPED)]
    codes_UR, counts_U = patterns(codes_IR)
    (times_BU,) = resamples(len(codes_IR), replicates=replicates, key=(0,), counts=counts_U)
    for name, options, loop in (
        ("fleiss_kappa", {}, fleiss_of_one),
        ("light_kappa", {"weights": "quadratic"}, light_of_one),
    ):
        statistic = statistic_of(name, SCALE, **options)
        sample = Sample(codes_IR=codes_UR, n_categories=5, times_BI=times_BU)
        ours, _ = timed(lambda statistic=statistic, sample=sample: statistic.values(sample))
        theirs, _ = timed(lambda loop=loop: [loop(codes_IR[draw]) for draw in draws])
        ours_ms, theirs_ms = 1000 * ours / replicates, 1000 * theirs / _LOOPED
        table.add_row(
            statistic.name, f"{ours_ms:.3f}", f"{theirs_ms:.2f}", f"{theirs_ms / ours_ms:.0f}"
        )
    return table


def fleiss_of_one(codes_IR: Ints) -> float:
    return float(fleiss_of_statsmodels(aggregate_raters(codes_IR, n_cat=5)[0]))


def light_of_one(codes_IR: Ints) -> float:
    columns = codes_IR.T
    return float(
        np.mean(
            [
                cohen_kappa_score(a, b, labels=range(5), weights="quadratic")
                for index, a in enumerate(columns)
                for b in columns[index + 1 :]
            ]
        )
    )


def coverage_table(studies: int) -> Table:
    table = Table("statistic", "images", "bootstrap, 500 replicates", "by formula", "studies")
    random = np.random.default_rng(1)
    million = Sample.observed(grades(1_000_000, 4, random), 5)
    for name, options in (
        ("fleiss_kappa", {}),
        ("gwet_ac2", {"weights": "quadratic"}),
        ("krippendorff_alpha", {"level": "ordinal"}),
    ):
        statistic = statistic_of(name, SCALE, **options)
        truth = float(statistic.values(million)[0])
        for images in (20, 30, 50, 200):
            held = [held_by(statistic, grades(images, 4, random), truth) for _ in range(studies)]
            shares = np.mean(held, axis=0)
            table.add_row(
                statistic.name, str(images), *(f"{100 * s:.1f} %" for s in shares), str(studies)
            )
    return table


def held_by(statistic: Statistic, codes_IR: Ints, truth: float) -> tuple[bool, bool]:
    (times_BI,) = resamples(len(codes_IR), replicates=500, key=(len(codes_IR), int(codes_IR.sum())))
    drawn = Sample(codes_IR=codes_IR, n_categories=5, times_BI=times_BI)
    by_formula = statistic.by_formula(Sample.observed(codes_IR, 5), 0.95)[0].interval
    return holds(percentile_interval(statistic.values(drawn), 0.95), truth), holds(
        by_formula, truth
    )


def holds(interval: tuple[float, float] | None, truth: float) -> bool:
    return interval is not None and interval[0] <= truth <= interval[1]


def timed(function: Callable[[], int | Floats | list[float]]) -> tuple[float, object]:
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


if __name__ == "__main__":
    main()
