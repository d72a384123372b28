"""Suggestions by a model of the trials so far: Optuna's tree-structured Parzen estimator.

Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011. Each suggestion is a
function of seed, number and what was known of other trials: a model is made anew for it, out of the
sweep's own files, so that a kill costs nothing and there is no other state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from hpc.extras import missing_extra
from hpc.randomness import key_of
from tune.plan.distributions import Choice, Distribution, Range
from tune.plan.objective import Objective
from tune.plan.space import Space, Values, searched
from tune.search.history import Known

# Before so many trials have been measured values are drawn: a model would know too little.
DRAWN_FIRST = 10
_SEEDS = 1 << 32


def require_optuna() -> ModuleType:
    """Optuna; InputError, saying how to install it, if it is not there."""
    try:
        import optuna
    except ImportError as error:
        raise missing_extra("The sampler tpe", "Optuna", "tune", error) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def has_model(known: Sequence[Known]) -> bool:
    """Whether enough trials have been measured for a model."""
    return sum(bool(each.course) for each in known) >= DRAWN_FIRST


def suggest(
    space: Space, by: Objective, known: Sequence[Known], *, last: int, seed: int, number: int
) -> Values:
    """Values for trial `number`, out of what is known; `last` is the place at which trials end."""
    optuna = require_optuna()
    sampler = optuna.samplers.TPESampler(
        seed=key_of(seed, "tpe", number) % _SEEDS, n_startup_trials=1, constant_liar=True
    )
    study = optuna.create_study(sampler=sampler)
    study.add_trials(_as_trials(optuna, space, by, known, last))
    trial = study.ask()
    # All of them: a field whose condition does not hold among the others is then left out.
    return searched(space, {name: _asked(trial, name, item) for name, item in space.items()})


def _as_trials(
    optuna: ModuleType, space: Space, by: Objective, known: Sequence[Known], last: int
) -> list[Any]:
    """As Optuna knows them: complete, pruned (with how far they came), or still running.

    One that diverged came nowhere. Optuna compares costs only, and only of trials that came as far,
    so that they may be ranks among those.
    """
    costs = costs_by_place(by, known)
    state = optuna.trial.TrialState
    found = []
    for each in known:
        so_far = {place: costs[place][each.number] for place in each.course}
        so_far = {place: cost for place, cost in so_far.items() if math.isfinite(cost)}
        ended = {None: state.RUNNING, "finished": state.COMPLETE}.get(each.ending, state.PRUNED)
        if ended == state.COMPLETE and last not in so_far:
            ended = state.PRUNED
        diverged = each.ending == "diverged"
        found.append(
            optuna.trial.create_trial(
                state=ended,
                value=so_far[last] if ended == state.COMPLETE else None,
                intermediate_values={} if diverged else so_far,
                **_parameters(optuna, space, each.values),
            )
        )
    return found


def costs_by_place(by: Objective, known: Sequence[Known]) -> dict[int, dict[int, float]]:
    """What trials cost at each place, by number, among those that were measured there."""
    found = {}
    for place in sorted({place for each in known for place in each.course}):
        there = {each.number: each.course[place] for each in known if place in each.course}
        found[place] = dict(zip(there, by.costs(list(there.values())), strict=True))
    return found


def _parameters(optuna: ModuleType, space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that could have been drawn; others, such as defaults outside of a range, teach not."""
    inside = {name: value for name, value in values.items() if space[name].holds(value)}
    return {
        "params": {name: _coded(space[name], value) for name, value in inside.items()},
        "distributions": {name: _distribution(optuna, space[name]) for name in inside},
    }


def _coded(item: Distribution, value: Any) -> Any:
    """A choice as its place in the list: its values may be of any kind."""
    return item.values.index(value) if isinstance(item, Choice) else value


def _distribution(optuna: ModuleType, item: Distribution) -> Any:
    made = optuna.distributions
    if isinstance(item, Choice):
        return made.CategoricalDistribution(tuple(range(len(item.values))))
    assert isinstance(item, Range)
    kind = made.IntDistribution if item.whole else made.FloatDistribution
    return kind(item.low, item.high, log=item.logarithmic)


def _asked(trial: Any, name: str, item: Distribution) -> Any:
    if isinstance(item, Choice):
        return item.values[trial.suggest_categorical(name, tuple(range(len(item.values))))]
    assert isinstance(item, Range)
    ask = trial.suggest_int if item.whole else trial.suggest_float
    return ask(name, item.low, item.high, log=item.logarithmic)
