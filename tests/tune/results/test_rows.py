"""What is made of the trials' folders: a ranking, and numbers that say how they were made."""

import json
from dataclasses import replace

import pytest
import torch
from tissue import pack_blobs

from tune.measuring.evaluation import Evaluator
from tune.plan.config import sweep_from_dict
from tune.plan.objective import parse_objective
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.results.rows import collect, summarize


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("validation"), count=6, size=32)


@pytest.fixture
def sweep(tmp_path, validation):
    settings = {"validation": str(validation), "folder": str(tmp_path), "samples": 6}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    train = {"data": {"shards": str(validation)}}
    data = {"train": train, "search": search, "sweep": settings}
    return sweep_from_dict(data | {"objective": {"distance": {"extractor": "random"}}}, "F")


def evaluator_of(sweep):
    return Evaluator(sweep.sweep, sweep.objective, torch.device("cpu"))


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


def test_trials_are_ranked_by_how_far_they_came_and_their_last_distance(trials):
    assert [row.candidate.number for row in trials] == [0, 1, 2, 3, 4, 5]
    assert [row.objective for row in trials] == [2.0, 1.5, None, None, None, None]
    assert [row.status for row in trials] == [
        "finished", "stopped", "diverged", "failed", "unfinished", "unfinished",
    ]  # fmt: skip


def test_those_of_a_sweep_of_before_by_their_last_distance_alone(sweep, trials):
    earlier = collect(replace(sweep, earlier=True))

    assert [row.candidate.number for row in earlier][:2] == [1, 0]


def test_of_several_measures_the_objective_is_the_rank_among_those_that_came_as_far(sweep):
    both = parse_objective({"distance": {"extractor": "random"}, "c2st": {"weight": 3}}, "F")
    sweep = replace(sweep, objective=both)
    for number, (distance, auc) in enumerate([(1.0, 0.9), (2.0, 0.8), (3.0, 0.7)]):
        folder = TrialFolder(sweep.trial_folder(number))
        folder.path.mkdir(parents=True)
        folder.add(Evaluation(step=100, images_seen=800, distance=distance,
                              values={"distance": distance, "c2st": auc}))  # fmt: skip
        folder.add_seconds(100, 36.0)
        folder.conclude(Outcome(status="finished"))

    rows = collect(sweep)[:3]

    assert [row.candidate.number for row in rows] == [2, 1, 0]
    assert [row.objective for row in rows] == [0.25, 0.5, 0.75]
    assert rows[0].as_json()["hours"] == 0.01


def test_what_happened_to_a_trial_is_told(trials):
    assert [row.reason for row in trials[2:4]] == ["not finite", "disk full"]


def test_a_row_has_what_was_drawn_and_the_last_and_best_measurement(sweep, trials):
    row = trials[0].as_json()

    assert row["parameters"] == sweep.candidate(0).values
    assert row["folder"] == str(sweep.trial_folder(0))
    assert row["origin"] == "defaults"
    assert row["last"] == {"step": 300, "images_seen": 2400, "distance": 2.0, "values": {}}
    assert row["best"] == {"step": 200, "images_seen": 1600, "distance": 1.0, "values": {}}
    assert trials[5].as_json()["last"] is None


def test_the_number_does_not_travel_alone(sweep, trials, tmp_path):
    evaluator = evaluator_of(sweep)
    summarize(sweep, trials, evaluator).save(tmp_path / "trials.json")
    saved = json.loads((tmp_path / "trials.json").read_text())
    best, floor = saved["numbers"]

    assert (best["value"], best["n"], best["details"]) == (2.0, 6, {"trial": 0})
    assert best["name"] == "frechet_distance_of_best_trial"
    assert floor["name"] == "real_versus_real_floor"
    assert floor["value"] > 0
    assert saved["settings"]["extractor"] == "random"
    facts = evaluator.measures["distance"].facts()
    assert saved["settings"]["weights_sha256"] == facts["weights_sha256"]
    assert saved["settings"]["measures"]["distance"] == {"better": "lower"} | facts
    assert saved["settings"]["seed"] == 0
    assert saved["settings"]["search"] == {"loss.adversarial": {"uniform": [0.0, 1.0]}}
    assert saved["inputs"]["validation"]["n"] == 6
    assert len(saved["inputs"]["validation"]["content"]["sha256"]) == 64
    shards = evaluator.index.shards
    assert saved["inputs"]["validation"]["shards_sha256"] == [shard.sha256 for shard in shards]
    assert [trial["number"] for trial in saved["tables"]["trials"]] == [0, 1, 2, 3, 4, 5]
    assert any("best of 2" in warning for warning in saved["warnings"])
    assert any("random network" in warning for warning in saved["warnings"])


def test_without_a_distance_there_is_a_reason(sweep):
    result = summarize(sweep, collect(sweep), evaluator_of(sweep))

    assert result.numbers[0].value is None
    assert result.numbers[0].reason == "no trial ended with a measurement"


def test_trials_of_different_precision_are_told_apart(sweep, trials):
    for number, precision in ((0, "bfloat16"), (1, "float32")):
        text = f'[data]\nshards = "packed"\n\n[run]\nprecision = "{precision}"\n'
        (sweep.trial_folder(number) / "config.toml").write_text(text)
    rows = collect(sweep)
    result = summarize(sweep, rows, evaluator_of(sweep))
    assert [row["precision"] for row in result.tables["trials"]][:3] == [
        "bfloat16", "float32", None,
    ]  # fmt: skip
    assert any("computed in bfloat16 and float32" in text for text in result.warnings)
    assert sweep.best_training(0, rows[0].precision).run.precision == "bfloat16"
