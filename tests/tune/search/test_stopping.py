"""Rules of stopping: what they decide depends on what is known alone."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers.async_hyperband import _Bracket

from tune.plan.objective import C2stConfig, DistanceConfig, Objective
from tune.search.stopping import halving_stops, median_stops, rungs

BY = Objective()
COSTS = st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=12)


def courses(**columns):
    """Trials by name, each measured at places 1, 2, ..."""
    return {
        name: {place: {"distance": value} for place, value in enumerate(values, 1)}
        for name, values in columns.items()
    }


def test_rungs_are_those_of_the_paper():
    assert rungs(1, 3, 27) == [1, 3, 9, 27]
    assert rungs(100, 2, 799) == [100, 200, 400]


@given(COSTS, st.sampled_from([2.0, 3.0, 4.0]))
def test_halving_decides_as_ray_does(costs, factor):
    """Trial after trial, each at its first measurement in one rung."""
    bracket = _Bracket(1, 2, factor, 0)
    known = {}
    for number, cost in enumerate(costs):
        known[str(number)] = {1: {"distance": cost}}
        trial = SimpleNamespace(trial_id=str(number))
        theirs = bracket.on_result(trial, 1, -cost) == "STOP"
        others = [costs[i] for i in range(number)]
        near = others and np.isclose(cost, np.percentile(others, 100 / factor), rtol=1e-9)
        if not near:
            assert halving_stops(known, str(number), 1, rungs(1, factor, 1), factor, BY) == theirs


def test_a_trial_is_judged_once_a_rung():
    known = courses(a=[1.0, 1.0], b=[0.5, 9.0], c=[9.0])
    steps = rungs(1, 3, 9)

    assert not halving_stops(known, "b", 2, steps, 3, BY)
    assert halving_stops(known, "c", 1, steps, 3, BY)


def test_ranks_are_compared_as_values_are():
    by = Objective(measures={"distance": DistanceConfig(), "c2st": C2stConfig()})
    known = {str(n): {1: {"distance": float(n), "c2st": 0.5 + n / 10}} for n in range(4)}

    assert not halving_stops(known, "0", 1, [1], 2, by)
    assert halving_stops(known, "3", 1, [1], 2, by)


def test_what_cannot_be_measured_is_worse_than_what_can():
    known = courses(a=[1.0], b=[float("nan")])

    assert halving_stops(known, "b", 1, [1], 3, BY)
    assert not halving_stops(known, "a", 1, [1], 3, BY)


def test_the_median_rule():
    known = courses(a=[4.0, 2.0], b=[4.0, 3.0], c=[5.0, 5.0], d=[3.4, 9.0], e=[9.0, 3.6])

    # The others' means are 3, 3.5, 5 and that of e or d.
    assert not median_stops(known, "d", 2, 1, BY), "its best counts, not its last"
    assert not median_stops(known, "e", 2, 1, BY)
    assert median_stops(known, "c", 2, 1, BY)
    assert not median_stops(known, "c", 2, 3, BY), "within the grace period"
    assert not median_stops(courses(a=[1.0], b=[2.0], c=[9.0]), "c", 1, 1, BY), "too few others"


@given(st.lists(st.floats(0, 1e3), min_size=4, max_size=9))
def test_units_change_nothing(costs):
    known = {str(n): {1: {"distance": cost}} for n, cost in enumerate(costs)}
    scaled = {n: {1: {"distance": 4 * course[1]["distance"]}} for n, course in known.items()}

    for rule in (halving_stops, median_stops):
        more = ([1.0], 2.0, BY) if rule is halving_stops else (1, BY)
        assert [rule(known, n, 1, *more) for n in known] == [
            rule(scaled, n, 1, *more) for n in known
        ]
