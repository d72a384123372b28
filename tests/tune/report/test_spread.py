"""Seeds: which runs count, where they are compared, and how noisy a measure is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sweep_records import BATCH, DISTANCE, RUNGS, made_up

from tune.report.record import Measurement, SweepRecord, Trial
from tune.report.spread import noise_of, pooled_deviation, spread_of


def run(number, value, *, seed=0, origin="random"):
    measured = Measurement(step=3, images_seen=24, values={"distance": value})
    rank = None if seed else (1 if number == 1 else 2 + number)
    return Trial(
        number=number, values={}, state="finished", origin=origin, seed=seed, objective=value,
        rank=rank,
        repeats=number if seed else None, measurements=(measured,), step=3, steps=3,
    )  # fmt: skip


def sweep(*trials, measure=DISTANCE):
    return SweepRecord(name="s", best_file="b", measures=(measure,), settings=(), trials=trials)


DEFAULTS = (run(0, 8.0, origin="defaults"), *(run(0, value, seed=seed, origin="defaults")
            for seed, value in ((1, 8.4), (2, 7.9), (3, 8.3))))  # fmt: skip
BEST = (run(1, 5.0), run(1, 6.0, seed=1), run(1, 6.4, seed=2), run(1, 6.5, seed=3))


def test_the_runs_of_the_sweep_do_not_count():
    spread = spread_of(sweep(*DEFAULTS, *BEST), DISTANCE)

    assert spread.best.by_seed == {1: 6.0, 2: 6.4, 3: 6.5}
    assert spread.default.by_seed == {1: 8.4, 2: 7.9, 3: 8.3}
    assert (spread.best.first, spread.default.first) == (5.0, 8.0)
    assert spread.difference.value == pytest.approx(-(2.4 + 1.5 + 1.8) / 3)
    assert spread.gained == -spread.difference.value


def test_the_interval_is_that_of_pairs():
    spread = spread_of(sweep(*DEFAULTS, *BEST), DISTANCE)
    low, high = stats.ttest_1samp([2.4, 1.5, 1.8], 0).confidence_interval(0.95)

    assert spread.ends == pytest.approx((low, high))
    assert spread.difference.interval == pytest.approx((-high, -low))
    assert spread.difference.n == 3


def test_where_higher_is_better_more_is_gained():
    higher = replace(DISTANCE, lower_is_better=False)
    spread = spread_of(sweep(*DEFAULTS, *(run(1, 9.0 + seed, seed=seed) for seed in range(4)),
                             measure=higher), higher)  # fmt: skip

    assert spread.gained == spread.difference.value > 0
    assert spread.ends == spread.difference.interval


def test_two_seeds_have_no_interval():
    spread = spread_of(sweep(*DEFAULTS[:3], *BEST[:3]), DISTANCE)

    assert spread.difference.interval is spread.ends is None
    assert spread.difference.details["by_seed"] == {"1": pytest.approx(-2.4), "2": -1.5}


def test_runs_are_compared_at_the_same_images_seen():
    record = made_up(12)
    short = tuple(replace(trial, measurements=trial.measurements[:2]) if trial.seed == 2 else trial
                  for trial in record.trials)  # fmt: skip
    spread = spread_of(replace(record, trials=short), DISTANCE)

    assert spread.images_seen == RUNGS[1] * BATCH
    assert spread.best.by_seed[1] == record.again(record.best.number)[0].at(8000, "distance")


def test_without_repeats_of_both_there_is_nothing_to_compare():
    assert spread_of(sweep(*DEFAULTS, BEST[0]), DISTANCE) is None
    assert spread_of(sweep(DEFAULTS[0], *BEST), DISTANCE) is None
    assert spread_of(sweep(*BEST), DISTANCE) is None
    assert spread_of(sweep(*DEFAULTS, run(5, 9.0)), DISTANCE) is None
    assert noise_of(sweep(BEST[0]), DISTANCE) is None


def test_noise_is_pooled_within_settings():
    deviation, runs = pooled_deviation([[8.4, 7.9, 8.3], [6.0, 6.4, 6.5], [3.0]])
    squares = np.var([8.4, 7.9, 8.3]) * 3 + np.var([6.0, 6.4, 6.5]) * 3

    assert (deviation, runs) == (pytest.approx((squares / 4) ** 0.5), 6)
    noise = noise_of(sweep(*DEFAULTS, *BEST, run(2, 5.3), run(3, 9.0)), DISTANCE)
    assert noise.reach == pytest.approx(stats.norm.ppf(0.975) * 2**0.5 * deviation)
    assert (noise.alike, noise.others) == (1, 3)
