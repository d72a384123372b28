"""Crossed arms: their names, their work, their batches; refused ones; a small experiment."""

import json
from dataclasses import replace

import numpy as np
import pytest
from experimenting import outcome, write_experiment
from tissue import SCHEMA

from eval.utility.arms import arm_plans, twin_of, work_of
from eval.utility.batches import open_batches_of
from eval.utility.config import CrossedConfig, read_utility
from eval.utility.plan import PlannedTraining, Sources, planned_trainings
from eval.utility.plot import draw_curve
from eval.utility.report import conclusions, report_utility
from hpc.errors import ConfigError
from launch.cli import main

SCHEDULES = ("added", "replacing", "pretrained", "alone")
CROSSED = """
[crossed]
names = ["new"]
shards = ["{root}/synthetic/train"]
schedules = ["added", "pretrained"]
ratios = [1.0]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    path = write_experiment(folder, arms='["real"]', shares="[1.0]")
    path.write_text(path.read_text() + CROSSED.format(root=folder))
    return folder


@pytest.fixture(scope="module")
def config(root):
    return read_utility(root / "utility.toml")


def crossed(config, **changes):
    return replace(config, crossed=replace(config.crossed, **changes))


def test_each_is_crossed_with_each(config):
    experiment = replace(config.experiment, arms=("real", "augmentation"))
    several = crossed(
        replace(config, experiment=experiment),
        names=("new", "same"), shards=config.crossed.shards * 2, schedules=SCHEDULES,
        ratios=(1.0, 3.0), strong=(False, True),
    )  # fmt: skip
    plans = arm_plans(several)
    assert len(plans) == 2 + 2 * 2 * (3 * 2 + 1)
    assert list(plans)[:4] == ["real", "augmentation", "added new x1", "added new x1 strong"]
    assert twin_of(plans["added same x3 strong"]) == "augmentation"
    assert twin_of(plans["alone same"]) == twin_of(plans["augmentation"]) == "real"
    assert len({planned.name for planned in planned_trainings(several)}) == 2 * len(plans)


@pytest.mark.parametrize(
    ("schedule", "ratio", "work"),
    [
        ("added", 1.0, (0, 6, 2, 2)),
        ("added", 3.0, (0, 12, 1, 3)),
        ("replacing", 1.0, (0, 3, 2, 2)),
        ("pretrained", 2.0, (6, 3, 4, 0)),
        ("alone", 1.0, (0, 3, 0, 4)),
    ],
)
def test_the_work_of_an_arm(config, schedule, ratio, work):
    """Of 3 steps with 4 tiles."""
    plans = arm_plans(crossed(config, schedules=(schedule,), ratios=(ratio,)))
    found = work_of(list(plans.values())[-1], config)
    assert (found.before, found.steps, found.real, found.synthetic) == work
    if schedule in ("added", "pretrained"):
        assert found.real_tiles == work_of(plans["real"], config).real_tiles
        assert found.synthetic_tiles == ratio * found.real_tiles


def test_synthetic_tiles_come_first_and_resuming_knows_where(config):
    sources = Sources(config)
    planned = PlannedTraining(arm="pretrained new x1", share=1.0, seed=0)
    source = open_batches_of(planned, sources, config)

    def first(start, count):
        batches = source.batches(start)
        return [next(batches).keys for _ in range(count)]

    keys = first(0, 6)
    made = [all(key.startswith("synthetic") for key in of_batch) for of_batch in keys]
    assert made == [True, True, True, False, False, False]
    assert first(2, 3) == keys[2:5]
    assert first(4, 2) == keys[4:6]
    real = open_batches_of(PlannedTraining(arm="real", share=1.0, seed=0), sources, config)
    assert next(real.batches(1)).keys == keys[4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": (0.05,)}, "ratios: 0.05 is not to be had"),
        ({"strong": (True,)}, "needs the arm augmentation"),
    ],
)
def test_what_cannot_be_crossed(config, changes, message):
    with pytest.raises(ConfigError, match=message):
        crossed(config, **changes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"names": ("a",)}, "go together"),
        ({"names": ("a/b",), "shards": ("x",)}, "is no word"),
        ({"ratios": ()}, "ratios is empty"),
        ({"ratios": (0.0,)}, "must lie in"),
        ({"schedules": ("added", "added")}, "names one twice"),
        ({"control": "again"}, "none of crossed.names: there are none"),
    ],
)
def test_what_is_no_table(wrong, message):
    with pytest.raises(ConfigError, match=message):
        CrossedConfig(**wrong)


@pytest.mark.parametrize(
    ("interval", "equivalent", "shown"),
    [
        ((0.02, 0.04), False, (True, True, False)),
        ((0.005, 0.009), True, (False, True, True)),
        ((-0.02, 0.04), False, (False, False, False)),
        ((0.02, 0.04), None, (False, False, False)),
    ],
)
def test_three_claims_by_their_margins(interval, equivalent, shown):
    told = conclusions({"interval": interval, "equivalent": equivalent}, 0.01, 0.01)
    assert tuple(told.values()) == shown


def test_what_is_better_is_said_and_drawn(config, tmp_path):
    items = [
        outcome(arm, seed, right, luck=0.02)
        for arm, right in (("real", 0.7), ("added new x1", 0.9), ("pretrained new x1", 0.7))
        for seed in (0, 1)
    ]
    result = report_utility(items, Sources(config), config)
    added, pretrained = (n for n in result.numbers if n.name == "mean_dice_difference")
    assert added.details["statement"].startswith("added new x1 at 100% against real at 100%")
    assert added.details["conclusions"] == {
        "superior": True, "non_inferior": True, "equivalent": False
    }  # fmt: skip
    assert (added.details["real_tiles_seen"], added.details["synthetic_tiles_seen"]) == (12, 12)
    assert not pretrained.details["conclusions"]["superior"]
    of_classes = [n for n in result.numbers if n.name == "dice_difference"]
    assert len(of_classes) == 2 * len(SCHEMA)
    assert all(n.interval[0] < n.value < n.interval[1] for n in of_classes)
    assert not any("statement" in n.details for n in of_classes)
    draw_curve(result, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_arms_are_compared_with_their_control_too(config, root):
    """Which is the same schedule, ratio and augmentation of another set."""
    several = crossed(
        config, names=("new", "again"), control="again",
        shards=(config.crossed.shards[0], root / "packed/train"),
    )  # fmt: skip
    rights = {
        "real": 0.7, "added new x1": 0.9, "added again x1": 0.8, "pretrained new x1": 0.7,
        "pretrained again x1": 0.7,
    }  # fmt: skip
    items = [outcome(arm, seed, right) for arm, right in rights.items() for seed in (0, 1)]
    result = report_utility(items, Sources(several), several)
    of_class = {
        (each.details["arm"], each.details["reference"], each.details["class"]): each
        for each in result.numbers
        if each.name == "dice_difference"
    }
    differences = {
        (each.details["arm"], each.details["reference"]): each.value
        for each in result.numbers
        if each.name == "mean_dice_difference"
    }
    for pair, value in differences.items():
        of_pair = [of_class[*pair, item.name].value for item in SCHEMA.classes]
        assert np.mean(of_pair) == pytest.approx(value)
    assert differences == pytest.approx({
        ("added new x1", "real"): 0.2, ("added new x1", "added again x1"): 0.1,
        ("added again x1", "real"): 0.1, ("pretrained new x1", "real"): 0,
        ("pretrained new x1", "pretrained again x1"): 0, ("pretrained again x1", "real"): 0,
    })  # fmt: skip


def test_a_whole_experiment(root, capsys):
    main(["eval", "utility", "--config", str(root / "utility.toml")])
    said = " ".join(capsys.readouterr().out.split())
    assert "pretrained new x1" in said
    result = json.loads((root / "experiment/utility.json").read_text())
    steps = {row["arm"]: row["steps"] for row in result["tables"]["trainings"]}
    assert steps == {"real": 3, "added new x1": 6, "pretrained new x1": 6}
    assert all(row["minutes"] >= 0 for row in result["tables"]["minutes"])
    assert not result["tables"]["missing"]


def test_a_control_is_added_to_an_experiment(root, capsys):
    """Which goes on, and has a column for it."""
    settings = root / "utility.toml"
    one = CROSSED.format(root=root)
    two = one.replace('"new"', '"new", "again"').replace(
        'train"]', f'train", "{root}/packed/train"]\ncontrol = "again"'
    )
    settings.write_text(settings.read_text().replace(one, two))
    main(["eval", "utility", "--config", str(settings)])
    said = capsys.readouterr().out
    assert said.count("minus") == 2
    assert "against added again x1 at 100%" in " ".join(said.split())
