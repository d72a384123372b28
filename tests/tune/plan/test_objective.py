"""What a sweep looks for: strict to read, and fair to compare by."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.config.data import DataConfig
from histosyn.config.learning import LossConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from tune.plan.objective import EARLIER, C2stConfig, DistanceConfig, Objective, parse_objective

BASE = TrainConfig(data=DataConfig(shards=Path("packed")))
BOTH = Objective(measures={"distance": DistanceConfig(weight=3), "c2st": C2stConfig()})
TABLES = {
    "distance": {"extractor": "random", "weight": 2},
    "faithfulness": {"segmenter": "runs/segmenter", "score": "mean_iou"},
    "c2st": {"features": "texture", "scale": 2},
}
VALUES = st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=8)


def test_nothing_declared_is_the_distance_in_the_network_that_a_package_brings():
    objective = parse_objective({}, "F")

    assert objective == Objective()
    assert objective.told() == "Fréchet distance (efficientnet-lite2)"
    assert objective.value({"distance": 3.0}) == 3.0


def test_the_plain_form_reads_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objective = parse_objective(TABLES, "F")

    assert objective.measures["faithfulness"].segmenter == tmp_path / "runs/segmenter"
    assert parse_objective(objective.as_plain(), "F") == objective
    assert objective.value({"distance": 1.0, "faithfulness": 0.5, "c2st": 0.5}) is None


def test_files_and_folders_that_measure_are_found_from_other_folders(tmp_path, monkeypatch):
    """But what is called as a network is the network, whatever else lies there."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "random"):
        (tmp_path / name).mkdir()
    found = {
        name: parse_objective({"distance": {"extractor": name}}, "F").measures["distance"].extractor
        for name in ("mine", "random", "inception", "below/mine.pt")
    }

    assert found == {
        "mine": str(tmp_path / "mine"),
        "random": "random",
        "inception": "inception",
        "below/mine.pt": str(tmp_path / "below/mine.pt"),
    }


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (3, "objective must be a table, not 3"),
        ({"distnace": {}}, "unknown measure objective.distnace; did you mean distance"),
        ({"kid": {}}, "unknown measure objective.kid; known: distance, faithfulness, c2st"),
        ({"distance": 3}, r"objective.distance = 3 must be a table: \[objective.distance\]"),
        ({"distance": {"extracter": "x"}}, "did you mean objective.distance.extractor"),
        ({"distance": {"weight": 0}}, "objective.distance.weight = 0.0 must be above 0"),
        ({"distance": {"weight": float("nan")}}, "weight = nan must be at most"),
        ({"faithfulness": {}}, "objective.faithfulness.segmenter is missing"),
        ({"faithfulness": {"segmenter": "s", "score": "dice"}}, "must be one of mean_dice"),
        ({"c2st": {"scale": 3}}, "objective.c2st.scale = 3 must be one of 1, 2, 4, 8"),
    ],
)
def test_what_is_wrong_is_named(tables, message):
    with pytest.raises(ConfigError, match=message):
        parse_objective(tables, "F")


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ({"discriminator": DiscriminatorConfig(pretrained="efficientnet-lite2")},
         "discriminator.pretrained"),
        ({"loss": LossConfig(perceptual=1.0, perceptual_pretrained="efficientnet-lite2")},
         "loss.perceptual_pretrained"),
    ],
)  # fmt: skip
def test_a_network_that_trains_does_not_judge(part, setting):
    Objective().require_no_part_in(BASE, "F")
    EARLIER.require_no_part_in(replace(BASE, **part), "F")
    with pytest.raises(ConfigError, match=rf"takes part in training \({setting}\).*inception"):
        Objective().require_no_part_in(replace(BASE, **part), "F")
    textures = Objective(measures={"c2st": C2stConfig(features="texture")})
    textures.require_no_part_in(replace(BASE, **part), "F")


def test_what_is_better_costs_less():
    faithful = parse_objective({"faithfulness": {"segmenter": "s"}}, "F")

    assert faithful.costs([{"faithfulness": 0.8}, {"faithfulness": 0.5}]) == [-0.8, -0.5]
    assert Objective().costs([{"distance": 3.0}, {"distance": float("nan")}, {}]) == [
        3.0, float("inf"), float("inf"),
    ]  # fmt: skip


@given(VALUES)
def test_of_several_the_mean_rank_counts(pairs):
    costs = BOTH.costs([{"distance": one, "c2st": other} for one, other in pairs])

    assert all(0 <= cost <= 1 for cost in costs)
    for i, first in enumerate(pairs):
        for j, second in enumerate(pairs):
            if first[0] < second[0] and first[1] < second[1]:
                assert costs[i] < costs[j]
            if first == second:
                assert costs[i] == pytest.approx(costs[j])


def test_by_their_weights():
    costs = BOTH.costs([{"distance": 1.0, "c2st": 0.9}, {"distance": 2.0, "c2st": 0.6}])

    assert costs == [0.25, 0.75]
