"""A model that suggests: reproducibly, inside the space, and by what it has seen."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune.plan.distributions import Choice, Range
from tune.plan.objective import C2stConfig, DistanceConfig, Objective
from tune.plan.space import draw, searched
from tune.search.history import Known

pytest.importorskip("optuna")

from tune.search.tpe import DRAWN_FIRST, costs_by_place, has_model, suggest

SPACE = {
    "rate": Range(low=1e-5, high=1e-2, logarithmic=True),
    "kind": Choice(values=("patch", "unet")),
    "weight": Range(low=0.0, high=20.0, logarithmic=False, when={"kind": ("patch",)}),
    "layers": Range(low=1, high=6, logarithmic=False),
}
BY = Objective()
LAST = 9


def cost(values):
    return (math.log10(values["rate"]) + 3.5) ** 2 + (values["kind"] == "unet")


def known(number, values, ending="finished", places=(3, LAST)):
    course = {place: {"distance": cost(values) + LAST / place} for place in places}
    return Known(number=number, values=values, course=course, ending=ending)


def ask(trials, number, seed=0):
    return suggest(SPACE, BY, trials, last=LAST, seed=seed, number=number)


DRAWN = [known(number, draw(SPACE, 0, number)) for number in range(12)]


def test_a_suggestion_is_a_function_of_seed_number_and_what_is_known():
    again = [ask(DRAWN, 12) for _ in range(2)]

    assert again[0] == again[1]
    assert ask(DRAWN, 13) != again[0]
    assert ask(DRAWN, 12, seed=1) != again[0]
    assert ask(DRAWN[4:], 12) != again[0]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(["finished", "stopped", "diverged", None]), min_size=12,
                max_size=12), st.integers(0, 1000))  # fmt: skip
def test_it_lies_in_the_space_whatever_became_of_the_others(endings, number):
    trials = [
        known(n, draw(SPACE, 1, n), ending, {"finished": (3, LAST), None: ()}.get(ending, (3,)))
        for n, ending in enumerate(endings)
    ]
    values = ask(trials, number)

    assert all(SPACE[name].holds(value) for name, value in values.items())
    assert values == searched(SPACE, {"weight": 0.0} | values)


def test_it_finds_more_than_chance():
    trials = []
    for number in range(30):
        values = ask(trials, number) if has_model(trials) else draw(SPACE, 3, number)
        trials.append(known(number, values))
    drawn, suggested = ([cost(each.values) for each in part]
                        for part in (trials[:DRAWN_FIRST], trials[DRAWN_FIRST:]))  # fmt: skip

    assert sorted(suggested)[len(suggested) // 2] < sorted(drawn)[len(drawn) // 2]


def test_what_could_not_have_been_drawn_is_no_lesson_but_no_hindrance():
    outside = known(99, {"rate": 1.0, "kind": "third", "layers": 60})

    assert ask([*DRAWN, outside], 12).keys() <= SPACE.keys()


def test_of_several_measures_ranks_among_those_that_came_as_far_are_learnt():
    both = Objective(measures={"distance": DistanceConfig(), "c2st": C2stConfig()})
    trials = [
        Known(number=n, values={}, course={3: {"distance": n, "c2st": 1 - n / 10}}, ending=None)
        for n in range(3)
    ]

    assert costs_by_place(both, trials) == {3: {0: 0.5, 1: 0.5, 2: 0.5}}
