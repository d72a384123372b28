"""Seeds: what counts as a run, Welch's interval, and how noisy a measure is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sweep_records import BATCH, DISTANCE, RUNGS, made_up

from tune.report.record import Measurement, SweepRecord, Trial
from tune.report.spread import noise_of, pooled_deviation, spread_of


def trial(number, value, *, seed=0, repeats=None, origin="random", images=24):
    measured = Measurement(step=3, images_seen=images, values={"distance": value})
    return Trial(
        number=number, values={}, state="finished", origin=origin, seed=seed, repeats=repeats,
        objective=value, measurements=(measured,), step=3,
    )  # fmt: skip


def sweep(*trials, measure=DISTANCE):
    return SweepRecord(
        name="s", folder="s", measures=(measure,), settings=(), trials=trials, steps=3,
        global_batch=8,
    )  # fmt: skip


DEFAULTS = (
    trial(0, 8.0, origin="defaults"),
    trial(10, 8.4, seed=1, repeats=0),
    trial(11, 7.9, seed=2, repeats=0),
)
BEST = (trial(1, 5.0), trial(12, 6.0, seed=1, repeats=1), trial(13, 6.4, seed=2, repeats=1))


def test_the_run_that_was_chosen_does_not_count():
    spread = spread_of(sweep(*DEFAULTS, *BEST), DISTANCE)

    assert spread.best.values == (6.0, 6.4)
    assert spread.best.chosen == (0, 5.0)
    assert spread.default.values == (8.0, 8.4, 7.9)
    assert (spread.best.seeds, spread.default.seeds) == ((1, 2), (0, 1, 2))
    assert spread.difference.value == pytest.approx(8.1 - 6.2)


def test_the_interval_is_welchs():
    spread = spread_of(sweep(*DEFAULTS, *BEST), DISTANCE)
    a, b = np.array([8.0, 8.4, 7.9]), np.array([6.0, 6.4])
    errors = a.var(ddof=1) / 3, b.var(ddof=1) / 2
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 2 + errors[1] ** 2 / 1)
    reach = stats.t.ppf(0.975, freedom) * sum(errors) ** 0.5

    assert spread.difference.interval == pytest.approx((1.9 - reach, 1.9 + reach))
    assert spread.difference.n == 5


def test_where_higher_is_better_the_sign_is_turned():
    higher = replace(DISTANCE, lower_is_better=False)
    spread = spread_of(sweep(trial(0, 1.0, origin="defaults"), trial(9, 1.2, repeats=0, seed=1),
                             trial(1, 3.0), trial(8, 2.0, repeats=1, seed=1),
                             trial(7, 2.2, repeats=1, seed=2), measure=higher), higher)  # fmt: skip

    assert spread.difference.value == pytest.approx(2.1 - 1.1)
    assert spread.difference.interval[0] < 1.0 < spread.difference.interval[1]


def test_a_single_run_has_no_interval_and_says_so():
    spread = spread_of(sweep(DEFAULTS[0], *BEST[:2]), DISTANCE)

    assert spread.difference.interval is None
    assert spread.difference.details["interval_note"] == "no interval from a single run"


def test_runs_are_compared_at_the_same_images_seen():
    """A default that was stopped early is compared where it was measured."""
    record = made_up(12)
    short = replace(record.default, measurements=record.default.measurements[:2])
    spread = spread_of(
        replace(record, trials=tuple(short if one is record.default else one
                                     for one in record.trials)), DISTANCE)  # fmt: skip

    assert spread.images_seen == RUNGS[1] * BATCH
    assert spread.best.values[0] == record.again(record.best.number)[0].at(8000, "distance")


def test_without_repeats_of_the_best_there_is_nothing_to_compare():
    assert spread_of(sweep(*DEFAULTS, BEST[0]), DISTANCE) is None
    assert spread_of(sweep(*BEST), DISTANCE) is None
    assert spread_of(sweep(*DEFAULTS, trial(5, 9.0)), DISTANCE) is None
    assert noise_of(sweep(BEST[0]), DISTANCE) is None


def test_noise_is_pooled_within_settings():
    deviation, runs = pooled_deviation([[8.0, 8.4, 7.9], [6.0, 6.4], [3.0]])
    squares = np.var([8.0, 8.4, 7.9]) * 3 + np.var([6.0, 6.4]) * 2

    assert (deviation, runs) == (pytest.approx((squares / 3) ** 0.5), 5)
    noise = noise_of(sweep(*DEFAULTS, *BEST, trial(2, 5.3), trial(3, 9.0)), DISTANCE)
    assert noise.reach == pytest.approx(stats.norm.ppf(0.975) * 2**0.5 * deviation)
    assert (noise.alike, noise.others) == (1, 3)
