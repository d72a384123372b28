"""Results in a model card: what was measured, how, and on tiles of this model only."""

from dataclasses import replace

import pytest
from report_results import fid, number, side

from eval.report.model_index import measured_table, model_index, results_on
from eval.statistics.result import Result
from hpc.errors import InputError

MODEL = "m" * 64


def faithfulness(**content):
    sides = {
        "synthetic": {"name": "out/tissue", "tiles": 40,
                      "content": {"tiles": side(model=[MODEL])["content"] | content,
                                  "labels": {"sha256": "l" * 64}}},
        "real": {"name": "/data/packed/val", "tiles": 9,
                 "content": {"tiles": {"sha256": "r" * 64, "covers": "dataset.json"}}},
    }  # fmt: skip
    numbers = [
        number("dice", value, (value - 0.1, value + 0.1), n=n, side=name, **{"class": "gland"})
        for name, value, n in (
            ("synthetic", 0.7, 40), ("real", 0.8, 9), ("synthetic - real", -0.1, 9),
        )
    ]  # fmt: skip
    undefined = number("dice", None, n=40, side="synthetic", **{"class": "nuclei"})
    return Result(
        kind="faithfulness",
        inputs={"segmenter": {"sha256": "s" * 64}, **sides},
        settings={"seed": 1, "replicates": 1000},
        numbers=(*numbers, undefined),
    )


def read(tmp_path, result):
    path = tmp_path / "result.json"
    result.save(path)
    return results_on([path], MODEL)


def test_a_number_says_how_it_was_made(tmp_path):
    (result,) = model_index(read(tmp_path, fid(0.00001, model=[MODEL])))
    assert result["task"]["type"] == "image-to-image"
    assert result["dataset"] == {
        "type": "tissue", "name": "tissue",
        "args": {"what": "real tiles", "n": 40, "sha256": "r" * 64, "sha256_covers": "tiles"},
    }  # fmt: skip
    assert [each["type"] for each in result["metrics"]] == ["fid", "kid"]
    distance = result["metrics"][0]
    assert distance["value"] == 0.00001
    said = distance["args"]
    assert said["interval"] == pytest.approx([-0.09999, 0.10001])
    assert (said["n"], said["interval_level"], said["interval_method"]) == (40, 0.95, "bootstrap")
    assert said["extractor"]["name"] == "inception"
    assert said["beside"] == {"real_tiles": {"value": 0.6, "n": 20}}
    assert said["versions"]["histosyn"]
    assert (said["command"], said["seed"]) == ("histosyn eval fid", 3)
    assert len(said["result_sha256"]) == 64


def test_the_name_of_another_network_s_distance_is_not_fid(tmp_path):
    (result,) = model_index(read(tmp_path, fid(extractor="efficientnet-lite2", model=[MODEL])))
    assert result["metrics"][0]["type"] == "frechet_distance"


def test_faithfulness_tells_the_synthetic_side_and_the_real_one_beside_it(tmp_path):
    found = read(tmp_path, faithfulness())
    (result,) = model_index(found)
    (dice,) = result["metrics"]
    assert (dice["type"], dice["name"], dice["value"]) == ("dice", "dice of gland", 0.7)
    assert dice["args"]["beside"]["real_tiles"] == {"value": 0.8, "interval": [0.7000000000000001,
                                                    0.9], "n": 9}  # fmt: skip
    assert dice["args"]["extractor"] == {"name": "segmenter", "weights_sha256": "s" * 64}
    # Where files lay is nobody's business.
    assert result["dataset"]["name"] == "val"
    table = measured_table(found)
    assert "| dice of gland | 0.700 | 0.600 to 0.800 | 40 | val, segmenter |" in table
    assert "| dice of nuclei | undefined: why not |  | 40 |" in table
    assert "-0.1" not in table


def test_nothing_measured_is_no_heading():
    assert measured_table([]) == ""


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (fid(model=["o" * 64]), "measured on tiles of another model .oooooooooooo…"),
        (fid(model=[MODEL, "o" * 64]), "measured on tiles of another model .oooooooooooo…"),
        (fid(), "does not say which model made its tiles"),
        (replace(fid(), inputs={}), "does not say which model made its tiles"),
        (faithfulness(recorded=30), "on 40 tiles, of which 10 do not stand in the manifest"),
        (replace(fid(), kind="stain"), "is of `eval stain`; a model card takes results of"),
        (replace(fid(model=[MODEL]), inputs=[]), "inputs: expected"),
    ],
)
def test_what_was_not_measured_on_this_model_is_refused(tmp_path, result, said):
    with pytest.raises(InputError, match=f"result.json.*{said}"):
        read(tmp_path, result)


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "{", '{"kind": "fid", "numbers": 1, "schema_version": 1}']
)
def test_what_is_no_result_is_named(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        results_on([tmp_path / "a.json"], MODEL)
