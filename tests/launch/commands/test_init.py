"""`histosyn init`: files to start from, which the commands read as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from histosyn.config.data import DataConfig
from histosyn.config.file import from_dict, load_toml
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import load_schema
from launch.cli import main
from launch.command_line.training_file import explanations, training_file
from launch.jobs.site import load_site
from tune.plan.config import read_sweep

KINDS = ("train", "site", "sweep", "schema")
# A default that stands in the file as a comment.
DEFAULT = re.compile(r"^# (\w+ = )", re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_written_once(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["init", kind])
    assert f"{kind}.toml is written" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["init", kind])
    assert f"{kind}.toml exists already" in capsys.readouterr().err
    main(["init", kind, "mine/other.toml"])
    assert Path("mine/other.toml").read_text() == Path(f"{kind}.toml").read_text()


def test_the_files_are_read_as_they_are(tmp_path: Path) -> None:
    for kind in KINDS:
        main(["init", kind, str(tmp_path / kind)])
    from_dict(TrainConfig, load_toml(tmp_path / "train"), "train")
    load_site(tmp_path / "site")
    read_sweep(tmp_path / "sweep")
    assert len(load_schema(str(tmp_path / "schema"))) == 3


@pytest.mark.parametrize("kind", ["site", "schema"])
def test_values_that_are_comments_are_right_too(kind: str, tmp_path: Path) -> None:
    main(["init", kind, str(tmp_path / "file")])
    whole = tmp_path / "whole"
    whole.write_text(DEFAULT.sub(r"\1", (tmp_path / "file").read_text()))
    read = load_site if kind == "site" else load_schema
    assert read(whole) != read(tmp_path / "file")


def test_of_a_training_all_settings_are_there_with_their_defaults() -> None:
    given = tomllib.loads(training_file())
    whole = tomllib.loads(DEFAULT.sub(r"\1", training_file()))
    config = from_dict(TrainConfig, whole, "all")
    here = {
        "data": DataConfig(shards=config.data.shards),
        "run": RunConfig(folder=config.run.folder),
    }
    assert config == TrainConfig(**here)
    assert set(given) == set(whole)
    assert given["run"] == {"folder": "runs/first", "steps": 20_000}


def test_of_a_training_every_setting_is_explained() -> None:
    for kind in (DataConfig, RunConfig):
        texts = explanations(kind)
        assert list(texts) == list(kind.__dataclass_fields__)
        assert all(text.endswith(".") for text in texts.values())
