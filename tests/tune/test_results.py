"""What is made of the trials' folders: a ranking, and numbers that say how they were made."""

import json

import pytest
import torch
from tissue import pack_blobs

from tune.config import sweep_from_dict
from tune.evaluation import Evaluator
from tune.results import collect, summarize
from tune.trial_folder import Evaluation, Outcome, TrialFolder


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("validation"), count=6, size=32)


@pytest.fixture
def sweep(tmp_path, validation):
    settings = {"validation": str(validation), "folder": str(tmp_path), "samples": 6}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    train = {"data": {"shards": str(validation)}}
    return sweep_from_dict({"train": train, "search": search, "sweep": settings}, "F")


def write(sweep, number, distances, status=None, reason=None):
    folder = TrialFolder(sweep.trial_folder(number))
    folder.path.mkdir(parents=True)
    for step, distance in enumerate(distances, 1):
        folder.add(Evaluation(step=100 * step, images_seen=800 * step, distance=distance))
    if status is not None:
        folder.conclude(Outcome(status=status, reason=reason))


@pytest.fixture
def trials(sweep):
    write(sweep, 0, [4.0, 1.0, 2.0], "finished")
    write(sweep, 1, [1.5], "stopped")
    write(sweep, 2, [0.5], "diverged", "not finite")
    write(sweep, 3, [0.4], "failed", "disk full")
    write(sweep, 4, [0.3])
    return collect(sweep)


def test_trials_are_ranked_by_their_last_distance_if_they_ended_well(trials):
    assert [row.candidate.number for row in trials] == [1, 0, 2, 3, 4, 5]
    assert [row.distance for row in trials] == [1.5, 2.0, None, None, None, None]
    assert [row.status for row in trials] == [
        "stopped", "finished", "diverged", "failed", "unfinished", "unfinished",
    ]  # fmt: skip
    assert [row.reason for row in trials[2:4]] == ["not finite", "disk full"]


def test_a_row_has_what_was_drawn_and_the_last_and_best_measurement(sweep, trials):
    row = trials[1].as_json()

    assert row["parameters"] == sweep.candidate(0).values
    assert row["folder"] == str(sweep.trial_folder(0))
    assert row["last"] == {"step": 300, "images_seen": 2400, "distance": 2.0}
    assert row["best"] == {"step": 200, "images_seen": 1600, "distance": 1.0}
    assert trials[5].as_json()["last"] is None


def test_the_number_does_not_travel_alone(sweep, trials, tmp_path):
    evaluator = Evaluator(sweep.sweep, torch.device("cpu"))
    summarize(sweep, trials, evaluator).save(tmp_path / "trials.json")
    saved = json.loads((tmp_path / "trials.json").read_text())
    best, floor = saved["numbers"]

    assert (best["value"], best["n"], best["details"]) == (1.5, 6, {"trial": 1})
    assert floor["name"] == "real_versus_real_floor"
    assert floor["value"] > 0
    assert saved["settings"]["extractor"] == "random"
    assert saved["settings"]["weights_sha256"] == evaluator.extractor.identity.weights_sha256
    assert saved["settings"]["seed"] == 0
    assert saved["settings"]["search"] == {"loss.adversarial": {"uniform": [0.0, 1.0]}}
    assert saved["inputs"]["validation"]["n"] == 6
    assert len(saved["inputs"]["validation"]["content"]["sha256"]) == 64
    shards = evaluator.index.shards
    assert saved["inputs"]["validation"]["shards_sha256"] == [shard.sha256 for shard in shards]
    assert [trial["number"] for trial in saved["tables"]["trials"]] == [1, 0, 2, 3, 4, 5]
    assert any("lowest of 2" in warning for warning in saved["warnings"])
    assert any("random network" in warning for warning in saved["warnings"])


def test_without_a_distance_there_is_a_reason(sweep):
    result = summarize(sweep, collect(sweep), Evaluator(sweep.sweep, torch.device("cpu")))

    assert result.numbers[0].value is None
    assert result.numbers[0].reason == "no trial ended with a measurement"


def test_trials_of_different_precision_are_told_apart(sweep, trials):
    for number, precision in ((0, "bfloat16"), (1, "float32")):
        text = f'[data]\nshards = "packed"\n\n[run]\nprecision = "{precision}"\n'
        (sweep.trial_folder(number) / "config.toml").write_text(text)
    rows = collect(sweep)
    result = summarize(sweep, rows, Evaluator(sweep.sweep, torch.device("cpu")))
    assert [row["precision"] for row in result.tables["trials"]][:3] == [
        "float32", "bfloat16", None,
    ]  # fmt: skip
    assert any("computed in bfloat16 and float32" in text for text in result.warnings)
    assert sweep.best_training(1, rows[0].precision).run.precision == "float32"
