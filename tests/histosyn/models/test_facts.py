"""A model's configuration from anywhere: refused at once, with file and field, or used."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from painting import random_model

from histosyn.models.facts import facts_from_dict
from histosyn.models.folder import load_model
from hpc.errors import DamagedFileError, HistosynError
from hpc.files import sha256_of_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def config(model):
    path = model / "config.json"
    whole = path.read_text()
    yield json.loads(whole)
    path.write_text(whole)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"generator": {"upsamplings": 10**20}}, "upsamplings = 100000000000000000000 must be at"),
        ({"generator": {"base_channels": 10**9}}, "base_channels = 1000000000 must be at most"),
        ({"generator": None}, "generator: expected an object"),
        ({"schema": None}, "schema: expected an object, got null"),
        ({"schema": {}}, "lacks 'classes'"),
        ({"tile_size": [64]}, "tile_size: expected a list of length 2"),
        ({"tile_size": [64, -1]}, r"tile_size\[1\]: expected a whole number >= 1"),
        ({"mpp": "0.5"}, "mpp: expected a number or null, got a text"),
        ({"mpp": 0}, "mpp: expected a number > 0"),
        ({"training": []}, "training: expected an object"),
        ({"training": {"steps": "x"}}, "training, is damaged .steps: expected a whole number"),
        ({"format_version": 99}, "has model format 99, this histosyn reads 1"),
        ({"format_version": "1"}, "format_version: expected a whole number"),
    ],
)
def test_a_wrong_field_is_named(model, config, change, said):
    for name, value in change.items():
        mixed = isinstance(value, dict) and name == "generator"
        config[name] = config[name] | value if mixed else value
    (model / "config.json").write_text(json.dumps(config))

    with pytest.raises(DamagedFileError, match=rf"config\.json.*{said}"):
        load_model(model)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "null", "\xff", '{"format_version": 1}'])
def test_what_is_no_configuration(model, config, text):
    (model / "config.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(DamagedFileError, match=r"config\.json is damaged .*Copy the model again"):
        load_model(model)


def test_what_a_later_version_adds_is_passed_over(model, config):
    (model / "config.json").write_text(json.dumps(config | {"mood": [{"good": 1}]}))

    assert load_model(model).sha256 == sha256_of_file(model / "model.safetensors")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just({"a": []})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_in_any_field(config, data):
    table = config
    while True:
        name = data.draw(st.sampled_from(sorted(table)))
        if not isinstance(table[name], dict) or not table[name] or data.draw(st.booleans()):
            break
        table = table[name]
    before, table[name] = table[name], data.draw(values)
    try:
        facts = facts_from_dict(json.loads(json.dumps(config)), "config.json")
    except HistosynError as error:
        assert "config.json" in str(error)
    else:
        assert 1 <= facts.generator.upsamplings <= 12
    finally:
        table[name] = before


@pytest.mark.parametrize("named", [None, 3, ["abc"], [{"name": "a"}], [{"sha256": "ab"}, None]])
def test_frozen_networks_without_their_digests_are_a_damaged_model(model, config, named):
    config["training"]["frozen_networks"] = named
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(DamagedFileError, match=r"training\.frozen_networks"):
        assert load_model(model).facts.frozen_networks


def test_frozen_networks_are_known_by_their_digests(model, config):
    assert load_model(model).facts.frozen_networks == ()
    config["training"]["frozen_networks"] = [{"name": "efficientnet-lite0", "sha256": "ab"}]
    (model / "config.json").write_text(json.dumps(config))
    assert load_model(model).facts.frozen_networks == ("ab",)
