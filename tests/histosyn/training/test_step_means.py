from __future__ import annotations

import json
import math

import pytest
import torch
from ranks import run_ranks

from histosyn.training.step_means import StepMeans


def filled(means: StepMeans, steps: range) -> StepMeans:
    for step in steps:
        means.add(step, {"a": torch.tensor(float(step)), **rare(step)})
    return means


def rare(step: int) -> dict[str, torch.Tensor]:
    return {"b": torch.tensor(10.0 * step)} if step % 2 == 0 else {}


def test_means_are_over_the_steps_that_measured() -> None:
    assert filled(StepMeans(), range(1, 6)).means() == {"a": 3.0, "b": 30.0}


def test_a_restart_changes_nothing() -> None:
    before = filled(StepMeans(), range(1, 4))
    carried = json.loads(json.dumps(before.state()))
    after = filled(StepMeans(carried), range(4, 6))
    assert after.means() == filled(StepMeans(), range(1, 6)).means()


def test_the_first_broken_step_is_told_with_all_that_broke_in_it() -> None:
    means = filled(StepMeans(), range(1, 6))
    assert means.first_broken() is None
    means.add(6, {"loss/x": torch.tensor(math.inf), "loss/y": torch.tensor(math.nan)})
    means.add(7, {"loss/z": torch.tensor(math.nan)})
    assert means.first_broken() == (6, ["loss/x", "loss/y"])


def on_a_rank() -> tuple[dict[str, float], tuple[int, list[str]] | None]:
    from hpc import collectives

    means = StepMeans()
    means.add(1, {"a": torch.tensor(float(collectives.rank()))})
    means.add(2, {"b": torch.tensor(math.nan if collectives.rank() else 1.0)})
    return means.means(), means.first_broken()


def test_ranks_agree_also_on_what_broke_on_one_of_them() -> None:
    for means, broken in run_ranks(2, on_a_rank):
        assert means["a"] == pytest.approx(0.5)
        assert broken == (2, ["b"])
