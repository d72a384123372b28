import pytest
import torch

from histosyn.models.folder import load_model
from hpc.errors import HistosynError
from launch import paint_demo

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A demo that is made in a moment, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paint_demo, "_STEPS", 2)
    monkeypatch.setattr(paint_demo, "_TILES", 8)
    return tmp_path / "cache"


def test_the_demos_model_is_made_once_and_kept(small, capfd):
    model = paint_demo.demo_model()
    assert model.is_relative_to(small)
    assert load_model(model, torch.device("cpu")).facts.training["steps"] == 2
    assert "it is kept in" in capfd.readouterr().out
    assert paint_demo.demo_model() == model
    assert capfd.readouterr().out == ""

    labels = paint_demo.demo_labels()
    assert len(labels) == 6 and all(path.is_file() for path in labels.values())


def test_what_cannot_be_made_is_told_and_goes_on_the_next_time(small, monkeypatch):
    monkeypatch.setattr(paint_demo, "_SIZE", 8)
    with pytest.raises(HistosynError, match="`histosyn phantom` failed"):
        paint_demo.demo_model()
    monkeypatch.setattr(paint_demo, "_SIZE", 128)
    assert (paint_demo.demo_model() / "model.safetensors").is_file()


def test_the_model_of_make_demo_comes_first(small, tmp_path):
    folder = tmp_path / "runs/demo/run/model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert paint_demo.demo_model().resolve() == folder
