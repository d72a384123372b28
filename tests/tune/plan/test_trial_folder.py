"""A trial's files survive kills, and say which trials are still to be run."""

import pytest

from hpc.errors import DamagedFileError
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder


def evaluation(step, distance=1.0):
    return Evaluation(step=step, images_seen=8 * step, distance=distance)


def test_measurements_come_back_in_the_order_of_steps(tmp_path):
    folder = TrialFolder(tmp_path)
    for step in (4, 2, 6):
        folder.add(evaluation(step))

    assert list(folder.evaluations().items()) == [(step, evaluation(step)) for step in (2, 4, 6)]


def test_a_folder_without_files_is_a_trial_to_be_run(tmp_path):
    folder = TrialFolder(tmp_path / "none")

    assert folder.evaluations() == {}
    assert folder.outcome() is None
    assert folder.is_open


def test_after_a_line_cut_short_nothing_else_is_lost(tmp_path):
    folder = TrialFolder(tmp_path)
    folder.add(evaluation(2))
    with (tmp_path / "evaluations.jsonl").open("a") as file:
        file.write('{"step": 4, "images')

    folder.add(evaluation(6))

    assert list(folder.evaluations()) == [2, 6]


@pytest.mark.parametrize(
    ("status", "is_open"),
    [("finished", False), ("stopped", False), ("diverged", False), ("failed", True)],
)
def test_only_what_failed_is_tried_again(tmp_path, status, is_open):
    folder = TrialFolder(tmp_path)
    folder.conclude(Outcome(status=status, reason="because"))

    assert TrialFolder(tmp_path).outcome() == Outcome(status=status, reason="because")
    assert folder.is_open is is_open


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "[1]", "null", "\xff", '{"status": "odd"}', '{"status": null}', "[" * 100_000],
)
def test_a_damaged_outcome_is_named(tmp_path, text):
    (tmp_path / "outcome.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(DamagedFileError, match=r"outcome\.json is damaged"):
        TrialFolder(tmp_path).outcome()


def test_what_a_later_version_adds_is_passed_over(tmp_path):
    (tmp_path / "outcome.json").write_text('{"status": "finished", "more": 1}')
    (tmp_path / "evaluations.jsonl").write_text(
        '{"step": 2, "images_seen": 16, "distance": 1.0, "more": []}\n'
    )

    assert TrialFolder(tmp_path).outcome() == Outcome(status="finished")
    assert TrialFolder(tmp_path).evaluations() == {2: evaluation(2)}


@pytest.mark.parametrize("name", ["evaluations.jsonl", "decisions.jsonl"])
@pytest.mark.parametrize("line", ["[1]", '{"step": "x"}', '{"step": 2}', "null", "{"])
def test_a_damaged_line_is_never_skipped(tmp_path, name, line):
    """Another trial would be stopped than the measurements say."""
    folder = TrialFolder(tmp_path)
    folder.add(evaluation(2))
    folder.add_decision(2)
    with (tmp_path / name).open("a") as file:
        file.write(line + "\n")

    with pytest.raises(DamagedFileError, match=rf"{name}, line 2, is damaged .*Restore it"):
        folder.decided_step()
