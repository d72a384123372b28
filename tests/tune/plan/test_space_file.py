"""[search] and [[start]]: conditions, presets, and what to try first, read strictly."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histosyn.config.data import DataConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from tune.plan.space import base_values, draw, grid, with_values
from tune.plan.space_file import parse_space, parse_start

BASE = TrainConfig(data=DataConfig(shards=Path("packed")))
KINDS = """
discriminator.kind = { choice = ["patch", "unet"] }
loss.feature_matching = { uniform = [1, 20], when = { discriminator.kind = "patch" } }
loss.label_mix = { choice = [5, 10], when = { discriminator.kind = ["unet"] } }
loss.objective = { choice = ["hinge", "least_squares"], when = { "discriminator.kind" = "patch" } }
loss.r1 = { uniform = [1, 2], when = { loss.objective = "least_squares" } }
"""


def parse(text, base=BASE):
    return parse_space(tomllib.loads(text), base, "F [search]")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_field_is_searched_only_where_its_condition_holds(number):
    space = parse(KINDS)
    values = draw(space, 0, number)
    patch = values["discriminator.kind"] == "patch"

    assert ("loss.feature_matching" in values) == patch == ("loss.objective" in values)
    assert ("loss.label_mix" in values) == (not patch)
    assert ("loss.r1" in values) == (values.get("loss.objective") == "least_squares")
    config = with_values(BASE, values, "F")
    assert config.discriminator.pretrained == ("efficientnet-lite0" if patch else "none")


def test_the_plain_form_reads_back():
    space = parse(KINDS)

    assert (
        parse_space({field: item.as_plain() for field, item in space.items()}, BASE, "F") == space
    )


def test_what_a_field_depends_on_may_be_named_after_it_and_be_fixed():
    space = parse("loss.r1 = { choice = [1, 2], when = { discriminator.kind = 'patch' } }")

    assert set(draw(space, 0, 0)) == {"loss.r1"}


def test_values_are_read_in_the_company_that_they_need():
    """A linear entry needs a grid size, which only it may have."""
    text = """
    generator.entry = { choice = ["grid", "linear"] }
    generator.grid_size = { choice = [2, 4], when = { generator.entry = "linear" } }
    """
    space = parse(text)

    assert {repr(point) for point in grid(space)} == {
        "{'generator.entry': 'grid'}",
        "{'generator.entry': 'linear', 'generator.grid_size': 2}",
        "{'generator.entry': 'linear', 'generator.grid_size': 4}",
    }


def test_a_grid_does_not_go_through_what_is_not_searched():
    rest = "{ choice = [2, 4], when = { loss.objective = 'hinge' } }"
    names = ("noise_channels", "label_channels", "base_channels")
    text = "".join(f"generator.{name} = {rest}\n" for name in names)
    space = parse("loss.objective = { choice = ['least_squares', 'hinge', 'hinge'] }\n" + text)

    points = list(grid(space))

    assert points[0] == {"loss.objective": "least_squares"}
    assert len(points) == 1 + 2**3


def test_a_preset_lies_over_the_base_and_under_what_is_searched():
    space = parse("preset = { choice = ['none', 'fast'] }\nrun.precision = { choice = ['auto'] }\n"
                  "loss.r1 = { choice = [1], when = { preset = 'fast' } }")  # fmt: skip
    fast = with_values(BASE, {"preset": "fast", "loss.r1": 1.0}, "F")

    assert fast.generator.base_channels == PRESETS["fast"].settings["generator"]["base_channels"]
    assert fast.loss.r1 == 1
    assert with_values(BASE, {"preset": "none"}, "F") == BASE
    assert base_values(space, BASE) == {"preset": "none", "run.precision": "float32"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss.r1 = {choice = [1], when = 3}", "when = 3 must be a table of other fields"),
        ("loss.r1 = {choice = [1], when = {discriminator.kin = 'patch'}}",
         "unknown field discriminator.kin; did you mean discriminator.kind"),
        ("loss.r1 = {choice = [1], when = {discriminator.kind = 'unet'}}",
         r"searched when discriminator.kind = unet, but discriminator.kind = patch in \[train\]"),
        ("loss.r1 = {choice = [1], when = {discriminator.kind = []}}", "Correct one of them"),
        ("discriminator.kind = {choice = ['patch']}\n"
         "loss.r1 = {choice = [1], when = {discriminator.kind = 'unet'}}",
         r"\[search\] never gives discriminator.kind that value"),
        ("loss.stain = {uniform = [1, 2]}\nloss.r1 = {choice = [1], when = {loss.stain = 3}}",
         "never gives loss.stain"),
        ("loss.r1 = {choice = [1], when = {loss.stain = 1}}\n"
         "loss.stain = {choice = [1], when = {loss.r1 = 1}}",
         "loss.r1 depends on loss.stain depends on loss.r1"),
        ("preset = {choice = ['fastest']}", "preset: choice = .* must be a choice of fast"),
        ("preset = {uniform = [1, 2]}", "must be a choice of"),
        ("loss.r1 = {when = {discriminator.kind = 'patch'}}", "must be a table with one of"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)


def start(text, tables):
    space = parse(text)
    return parse_start(tomllib.loads(tables)["start"], space, BASE, "F [[start]]")


def test_what_a_start_leaves_out_is_as_in_the_base():
    tables = "[[start]]\nloss.feature_matching = 99\n[[start]]\ndiscriminator.kind = 'unet'"

    assert start(KINDS, tables) == (
        {"discriminator.kind": "patch", "loss.feature_matching": 99.0, "loss.objective": "hinge"},
        {"discriminator.kind": "unet", "loss.label_mix": 10.0},
    )


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("[[start]]\nloss.feature_machting = 3", "1: .*did you mean loss.feature_matching"),
        ("[[start]]\n[[start]]\nrun.seed = 3", r"2: run.seed is not searched; \[search\] has"),
        ("[[start]]\nloss.label_mix = 5", "only searched when discriminator.kind is unet"),
        ("[[start]]\nloss.feature_matching = 'x'", "loss.feature_matching = 'x' must be a number"),
        ("start = 3", r"must be tables \[\[start\]\], not 3"),
    ],
)
def test_a_start_that_cannot_be_is_named(tables, message):
    with pytest.raises(ConfigError, match=message):
        start(KINDS, tables)


def test_a_kind_that_was_chosen_with_features_keeps_to_none():
    """What is not as usual was asked for."""
    bare = replace(BASE, discriminator=DiscriminatorConfig(pretrained="none"))

    for kind in ("patch", "unet"):
        config = with_values(bare, {"discriminator.kind": kind}, "F")
        assert config.discriminator.pretrained == "none"
