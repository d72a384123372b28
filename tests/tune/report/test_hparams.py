"""What TensorBoard reads of a sweep."""

import pytest
from sweep_records import made_up
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from tune.report.hparams import write_hparams


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    write_hparams(made_up(6), folder / "sweep")
    return folder / "sweep"


def session(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_each_trial_is_a_session_with_what_was_searched(folder):
    record = made_up(6)
    found = sorted(path.name for path in folder.iterdir())

    assert "0" in found
    assert f"{record.best.number}-seed-3" in found
    events = session(folder / "1")
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    values = {name: value.number_value for name, value in start.hparams.items()}
    for name, value in record.trials[1].values.items():
        assert values[name] == pytest.approx(value)
    assert start.hparams["state"].string_value == record.trials[1].state


def test_measures_are_over_images_seen_and_the_rank_beside_them(folder):
    trial = made_up(6).trials[1]
    events = session(folder / "1")
    measured = [(each.images_seen, each.values["distance"]) for each in trial.measurements]

    assert [(one.step, one.value) for one in events.Scalars("evaluation/distance")] == [
        (images, pytest.approx(value)) for images, value in measured
    ]
    assert [one.value for one in events.Scalars("sweep/rank")] == [trial.rank]


def test_it_is_written_anew(folder):
    (folder / "of an earlier best").mkdir()
    write_hparams(made_up(6), folder)

    assert not (folder / "of an earlier best").exists()
