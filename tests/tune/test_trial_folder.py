"""A trial's files survive kills, and say which trials are still to be run."""

import pytest

from hpc.errors import DamagedFileError
from tune.trial_folder import Evaluation, Outcome, TrialFolder


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
    folder.mend()


def test_after_a_line_cut_short_nothing_else_is_lost(tmp_path):
    folder = TrialFolder(tmp_path)
    folder.add(evaluation(2))
    with (tmp_path / "evaluations.jsonl").open("a") as file:
        file.write('{"step": 4, "images')

    folder.mend()
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


@pytest.mark.parametrize("text", ["{", "{}", '{"status": "finished", "more": 1}'])
def test_a_damaged_outcome_is_named(tmp_path, text):
    (tmp_path / "outcome.json").write_text(text)

    with pytest.raises(DamagedFileError, match=r"outcome\.json is damaged"):
        TrialFolder(tmp_path).outcome()
