"""What a trial's processes share, and how many trials nodes have room for."""

from pathlib import Path

import pytest

from hpc.errors import ConfigError
from tune.plan.settings import SweepConfig


def settings(**values):
    return SweepConfig(validation=Path("packed/val"), **values)


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ({}, {"CPU": 1, "GPU": 0}),
        ({"cpus_per_trial": 3, "gpus_per_trial": 0.5}, {"CPU": 3, "GPU": 0.5}),
        ({"processes_per_trial": 4}, {"CPU": 1, "GPU": 0}),
        (
            {"processes_per_trial": 4, "cpus_per_trial": 32, "gpus_per_trial": 4},
            {"CPU": 8, "GPU": 1},
        ),
    ],
)
def test_processes_have_equal_shares(values, share):
    assert settings(**values).share_of_process == share


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cpus_per_trial": 3}, "cpus_per_trial = 3 cannot be shared evenly by the 2 processes"),
        ({"gpus_per_trial": 0.5}, "gpus_per_trial = 0.5, but a trial has 2 processes"),
        ({"gpus_per_trial": 4}, "Choose 2, or 0 to train on the CPU"),
        ({"processes_per_trial": 0}, "processes_per_trial = 0 must be at least 1"),
    ],
)
def test_what_processes_cannot_share(values, message):
    with pytest.raises(ConfigError, match=message):
        settings(**{"processes_per_trial": 2} | values)


@pytest.mark.parametrize(
    ("values", "nodes", "trials"),
    [
        ({}, [{"CPU": 2.0}, {"CPU": 1.0}], 3),
        ({"gpus_per_trial": 1 / 3}, [{"CPU": 8.0, "GPU": 1.0}], 3),
        ({"gpus_per_trial": 1}, [{"CPU": 8.0}], 0),
        # They may be on several nodes, but each of them on one.
        ({"processes_per_trial": 2}, [{"CPU": 1.0}, {"CPU": 1.0}], 1),
        ({"processes_per_trial": 2}, [{"CPU": 3.0}, {"CPU": 2.0}], 2),
        ({"processes_per_trial": 2, "cpus_per_trial": 4}, [{"CPU": 3.0}, {"CPU": 1.0}], 0),
        ({"processes_per_trial": 2, "gpus_per_trial": 2}, [{"CPU": 9.0, "GPU": 3.0}], 1),
    ],
)
def test_how_many_trials_fit(values, nodes, trials):
    assert settings(**values).trials_on(nodes) == trials


def test_what_a_trial_asks_for_is_told():
    assert settings().needs == "1 CPUs and 0 GPUs"
    several = settings(processes_per_trial=2, cpus_per_trial=8, gpus_per_trial=2)
    assert several.needs == "2 processes with 4 CPUs and 1 GPUs each"
