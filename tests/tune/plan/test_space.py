"""The search space: strict to read, and candidates that depend on seed and number alone."""

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.config.data import DataConfig
from histosyn.config.learning import LossConfig
from histosyn.config.networks import GeneratorConfig
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from tune.plan.distributions import Choice, Range
from tune.plan.space import draw, with_values
from tune.plan.space_file import parse_space

BASE = TrainConfig(data=DataConfig(shards=Path("packed")))
UNIT = st.floats(0, 1, exclude_max=True)
WHOLE = st.integers(-50, 50)
POSITIVE = st.floats(1e-8, 1e8)


def parse(**search):
    return parse_space({name.replace("__", "."): spec for name, spec in search.items()}, BASE, "F")


def test_each_kind_is_read_in_the_type_of_its_field():
    space = parse(
        optimizer__generator_lr={"log_uniform": [1e-5, 1e-3]},
        loss__feature_matching={"uniform": [1, 20]},
        generator__base_channels={"uniform": [8, 64]},
        run__precision={"choice": ["float32", "bfloat16"]},
        data__crop={"choice": [64, 128]},
    )

    assert space == {
        "optimizer.generator_lr": Range(low=1e-5, high=1e-3, logarithmic=True),
        "loss.feature_matching": Range(low=1.0, high=20.0, logarithmic=False),
        "generator.base_channels": Range(low=8, high=64, logarithmic=False),
        "run.precision": Choice(values=("float32", "bfloat16")),
        "data.crop": Choice(values=(64, 128)),
    }
    assert isinstance(space["loss.feature_matching"].low, float)
    assert isinstance(space["generator.base_channels"].low, int)


def test_toml_without_quotes_makes_tables_which_are_the_same():
    spec = {"uniform": [1, 20]}
    quoted = parse_space({"loss.feature_matching": spec}, BASE, "F")

    assert parse_space({"loss": {"feature_matching": spec}}, BASE, "F") == quoted


@pytest.mark.parametrize(
    ("field", "spec", "message"),
    [
        ("optimizer.generater_lr", {"uniform": [1, 2]}, "did you mean optimizer.generator_lr"),
        ("qqq", {"uniform": [1, 2]}, "unknown config field qqq; such as"),
        ("run.folder", {"choice": ["a"]}, "run.folder cannot be searched"),
        ("run.steps", {"uniform": [1, 2]}, "run.steps cannot be searched"),
        ("loss.adversarial", [1, 2], "must be a table with one of uniform"),
        ("loss.adversarial", {}, "must be a table with one of uniform"),
        ("loss.adversarial", {"uniform": [0, 1], "choice": [1]}, "must be a table with one of"),
        ("loss.adversarial", {"loguniform": [1, 2]}, "did you mean log_uniform"),
        ("loss.adversarial", {"normal": [1, 2]}, "unknown distribution normal"),
        ("loss.adversarial", {"uniform": 3}, "must be a list"),
        ("loss.adversarial", {"choice": []}, "must be a list"),
        ("loss.adversarial", {"uniform": [1]}, "must be two numbers"),
        ("loss.adversarial", {"uniform": [1, math.inf]}, "must be two numbers"),
        ("loss.adversarial", {"uniform": ["1", "2"]}, "must be two numbers"),
        ("data.augment", {"uniform": [False, True]}, "must be two numbers"),
        ("loss.adversarial", {"uniform": [2, 1]}, "the first must be the smaller"),
        ("loss.adversarial", {"uniform": [1, 1]}, "the first must be the smaller"),
        ("loss.adversarial", {"log_uniform": [0, 1]}, "must be positive"),
        ("loss.adversarial", {"uniform": [-1, 1]}, "loss.adversarial = -1.0 must be at least"),
        ("loss.adversarial", {"choice": [1, "x"]}, "loss.adversarial = 'x' must be a number"),
        ("data.augment", {"choice": [0]}, "data.augment = 0 must be true or false"),
        ("data.augment", {"uniform": [0, 1]}, "data.augment = 0 must be true or false"),
        ("generator.upsamplings", {"uniform": [1, 2.5]}, "2.5 must be a whole number"),
        ("run.precision", {"choice": ["float16"]}, "must be one of auto, float32, bfloat16"),
        ("optimizer.beta2", {"uniform": [0.5, 1.0]}, "must lie in"),
    ],
)
def test_what_is_wrong_is_named(field, spec, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_space({field: spec}, BASE, "sweep.toml [search]")
    assert str(caught.value).startswith("sweep.toml [search]:")


def test_an_empty_space_is_refused():
    with pytest.raises(ConfigError, match="is empty"):
        parse_space({}, BASE, "sweep.toml [search]")


@given(low=WHOLE, span=st.integers(1, 50), u=UNIT)
def test_whole_numbers_lie_between_whole_numbers(low, span, u):
    value = Range(low=low, high=low + span, logarithmic=False).at(u)

    assert isinstance(value, int)
    assert low <= value <= low + span


@given(low=POSITIVE, factor=st.floats(1.001, 1e6), logarithmic=st.booleans(), u=UNIT)
def test_numbers_lie_between_the_bounds(low, factor, logarithmic, u):
    value = Range(low=low, high=low * factor, logarithmic=logarithmic).at(u)

    assert low <= value <= low * factor


@given(low=st.integers(1, 50), span=st.integers(1, 50), u=UNIT)
def test_whole_numbers_on_a_logarithmic_scale(low, span, u):
    value = Range(low=low, high=low + span, logarithmic=True).at(u)

    assert isinstance(value, int)
    assert low <= value <= low + span


def test_half_way_is_the_mean_on_the_scale():
    assert Range(low=1.0, high=9.0, logarithmic=False).at(0.5) == 5
    assert Range(low=1.0, high=9.0, logarithmic=True).at(0.5) == pytest.approx(3)


def test_whole_numbers_and_choices_are_equally_likely():
    grid = (np.arange(3000) + 0.5) / 3000
    dice = Range(low=1, high=6, logarithmic=False)
    coin = Choice(values=("heads", "tails"))

    assert [sum(dice.at(u) == face for u in grid) for face in range(1, 7)] == [500] * 6
    assert [sum(coin.at(u) == side for u in grid) for side in coin.values] == [1500] * 2


def test_candidates_are_a_function_of_seed_and_number():
    space = parse(loss__adversarial={"uniform": [0, 1]}, optimizer__beta2={"uniform": [0, 0.5]})

    assert draw(space, 3, 7) == draw(space, 3, 7)
    assert draw(space, 3, 7) != draw(space, 3, 8)
    assert draw(space, 3, 7) != draw(space, 4, 7)


def test_searching_one_more_field_leaves_the_others_alone():
    one = parse(loss__adversarial={"uniform": [0, 1]})
    two = parse(optimizer__beta2={"uniform": [0, 0.5]}, loss__adversarial={"uniform": [0, 1]})

    for number in range(5):
        assert draw(two, 0, number)["loss.adversarial"] == draw(one, 0, number)["loss.adversarial"]


def test_draws_fill_the_range_evenly_and_fields_are_unrelated():
    space = parse(loss__adversarial={"uniform": [0, 1]}, optimizer__beta1={"uniform": [0, 0.9]})
    drawn = np.array([list(draw(space, 0, number).values()) for number in range(2000)])

    assert drawn.mean(axis=0) == pytest.approx([0.5, 0.45], abs=0.02)
    assert drawn.std(axis=0) == pytest.approx([12**-0.5, 0.9 * 12**-0.5], abs=0.02)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06


@given(values=st.lists(st.integers(1, 64), min_size=1))
def test_plain_form_reads_back(values):
    search = {"generator.base_channels": {"choice": values},
              "optimizer.beta1": {"uniform": [0.0, 0.5]},
              "loss.adversarial": {"log_uniform": [0.25, 4.0]}}  # fmt: skip
    space = parse_space(search, BASE, "F")

    assert {field: item.as_plain() for field, item in space.items()} == search


def test_values_replace_those_of_the_base():
    config = with_values(BASE, {"generator.base_channels": 12, "data.crop": 64}, "F")

    assert config.generator == GeneratorConfig(base_channels=12)
    assert config.data.crop == 64
    assert config.optimizer == BASE.optimizer


def test_a_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    space = parse(data__shards={"choice": ["a", "/b"]})

    assert space["data.shards"].values == (str(tmp_path / "a"), "/b")


@pytest.mark.parametrize(
    "weight",
    [item.name for item in fields(LossConfig) if item.type == "float"],
)
def test_every_weight_of_a_loss_can_be_searched(weight):
    base = replace(BASE, loss=LossConfig(perceptual_network=Path("features.pt")))

    space = parse_space({f"loss.{weight}": {"uniform": [1, 20]}}, base, "F")

    value = draw(space, 0, 0)[f"loss.{weight}"]
    assert getattr(with_values(base, {f"loss.{weight}": value}, "F").loss, weight) == value
