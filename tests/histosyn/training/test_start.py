"""`histosyn.train`, as scripts call it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from launching import environment, started_ranks
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml, load_toml
from histosyn.models.folder import load_model
from histosyn.training.start import train
from hpc.errors import ConfigError

SCRIPT = """\
import histosyn
histosyn.train({file!r}, data={{"workers": {workers}}}, run={{"folder": {folder!r}}})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shards and train.toml."""
    root = tmp_path_factory.mktemp("start")
    config = tiny_config(pack_blobs(root), Path("runs/first"), steps=2)
    (root / "train.toml").write_text(as_toml(config))
    return root


def script(place: Path, run: str, workers: int = 0) -> list[str]:
    """The command that trains in the folder runs/RUN, by a script of two lines."""
    path = place / f"{run}.py"
    folder, file = str(place / "runs" / run), str(place / "train.toml")
    path.write_text(SCRIPT.format(file=file, workers=workers, folder=folder))
    return [sys.executable, str(path)]


def losses(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name.startswith("loss/")} for line in lines
    ]


def test_a_file_with_other_settings_trains_and_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    model = train("train.toml", run={"folder": "runs/one"})
    assert model == Path("runs/one/model")
    assert load_model(model).facts.training["steps"] == 2
    assert train(Path("train.toml"), run={"folder": "runs/one"}) == model
    config = tiny_config(place / "packed" / "train", Path("runs/one"), steps=2)
    longer = replace(config, run=replace(config.run, steps=3))
    assert load_model(train(longer)).facts.training["steps"] == 3
    assert load_toml("runs/one/config.toml")["run"]["steps"] == 3
    with pytest.raises(ConfigError, match="did you mean data"):
        train(config, dta={})


@pytest.mark.slow
def test_ranks_share_the_work(place: Path) -> None:
    alone = script(place, "alone")
    subprocess.run(alone, env=environment(), capture_output=True, check=True)
    with started_ranks(2, script(place, "together")) as processes:
        for process in processes:
            _, told = process.communicate(timeout=120)
            assert process.returncode == 0, told
    one, two = losses(place / "runs" / "alone"), losses(place / "runs" / "together")
    assert len(one) == len(two) == 2
    for first, second in zip(one, two, strict=True):
        assert first == pytest.approx(second, rel=1e-10)


@pytest.mark.slow
def test_a_script_that_loaders_would_run_again_is_told_so(place: Path) -> None:
    command = script(place, "bare", workers=1)
    run = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert run.returncode == 1
    assert "called again by a loader process" in run.stderr
    last = run.stderr.splitlines()[-1]
    assert "what starts it must stand below `if __name__ == '__main__':`" in last
