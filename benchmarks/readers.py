"""Reader studies by simulated readers: coverage and bias of intervals, widths and power.

    python benchmarks/readers.py --coverage 1000     intervals: how often they hold the truth
    python benchmarks/readers.py --plan 1000         readers x images: width and power

Readers are those of `eval.discrimination.simulated`: d' varies between them, and they have a share
of what they see in common. The truth is an integral, not a simulation.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from eval.discrimination.planning import plan, simulated_means
from eval.discrimination.reader_numbers import reader_numbers
from eval.discrimination.simulated import Readers
from eval.statistics.bootstrap import keyed_random

OUTCOMES = ("auc", "accuracy", "pairs", "dprime")
SIZES = ((3, 50), (3, 200), (5, 100), (10, 100))
DPRIMES = (0.0, 0.5, 1.5)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--coverage", type=int, default=0)
    options.add_argument("--plan", type=int, default=0)
    given = options.parse_args()
    console = Console(width=120)
    if given.coverage:
        console.print(mean_table(given.coverage))
        console.print(reader_table(given.coverage))
    if given.plan:
        for outcome, margin in (("auc", 0.1), ("accuracy", 0.1), ("pairs", 0.1)):
            console.print(plan_table(outcome, margin, given.plan))


def mean_table(studies: int) -> Table:
    """The 95 % interval of the mean of readers, readers and images random."""
    table = Table("outcome", "d'", *(f"{readers} x {images}" for readers, images in SIZES),
                  title=f"mean of readers: coverage of 95 % (bias), {studies} studies")  # fmt: skip
    for outcome in OUTCOMES:
        for dprime in DPRIMES:
            population = Readers(dprime=dprime)
            truth = population.expected(outcome)
            cells = []
            for readers, images in SIZES:
                found = list(simulated_means(outcome, population, readers, images, studies, (0,)))
                intervals = [one.interval(0.95) or (one.value,) * 2 for one in found]
                held = np.mean([low <= truth <= high for low, high in intervals])
                bias = np.mean([one.value for one in found]) - truth
                cells.append(f"{held:.1%} ({bias:+.3f})")
            table.add_row(outcome, f"{dprime:g}", *cells)
    return table


def reader_table(studies: int) -> Table:
    """Intervals of a single reader, whose own d' is the truth."""
    table = Table("statistic", "interval", "d'", "50 images", "200 images",
                  title=f"a reader: coverage of 95 % (bias), {studies} studies")  # fmt: skip
    for dprime in DPRIMES:
        reader = Readers(dprime=dprime, dprime_spread=0.0, bias_spread=0.0)
        cells: dict[str, list[str]] = {}
        for images in (50, 200):
            for name, values in _of_reader(reader, images, studies).items():
                cells.setdefault(name, []).append(values)
        for name, row in cells.items():
            statistic, _, interval = name.partition(", ")
            table.add_row(statistic, interval, f"{dprime:g}", *row)
    return table


def _of_reader(reader: Readers, images: int, studies: int) -> dict[str, str]:
    random = keyed_random((1, images))
    held: dict[str, list[bool]] = {}
    values: dict[str, list[float]] = {}
    truths = {name: reader.expected(name) for name in ("auc", "accuracy", "dprime")}
    for _ in range(studies):
        for number in reader_numbers(reader.panel(1, images, random)):
            if number.name in truths:
                for how, interval in _intervals(number):
                    name = f"{number.name}, {how}"
                    low, high = interval
                    held.setdefault(name, []).append(low <= truths[number.name] <= high)
                    values.setdefault(name, []).append(number.value)
    return {
        name: f"{np.mean(found):.1%} "
        f"({np.mean(values[name]) - truths[name.partition(',')[0]]:+.3f})"
        for name, found in held.items()
    }


def _intervals(number) -> Iterator[tuple[str, tuple[float, float]]]:
    if number.interval is not None:
        yield number.interval_method.partition(",")[0], number.interval
    if number.name == "accuracy":
        yield "exact", number.details["by_formula"][0]["interval"]


def plan_table(outcome: str, margin: float, studies: int) -> Table:
    table = Table("readers", "images", "95 % interval", "power", "false", "coverage",
                  title=f"{outcome}, margin {margin:g}, {studies} studies")  # fmt: skip
    for one in plan(outcome, (3, 5, 8), (50, 100, 200), margin, Readers(), studies=studies):
        table.add_row(str(one.readers), str(one.images), f"± {one.half_width:.3f}",
                      f"{one.power:.0%}", f"{one.false:.1%}", f"{one.coverage:.1%}")  # fmt: skip
    return table


if __name__ == "__main__":
    main()
