"""What a user sees who gets something wrong: one message, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tissue import write_folders

import histosyn
from histosyn.config.presets import PRESETS
from hpc.errors import HistosynError, InputError
from launch.cli import COMMANDS, EVAL_COMMANDS, SUBMIT_COMMANDS, main


def run(*tokens: object) -> int:
    """Exit code of a command, in this process."""
    try:
        main([str(token) for token in tokens])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return write_folders(tmp_path, count=3, size=32)


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def remove_label(tiles: Path, labels: Path) -> None:
    (labels / "tile-01.png").unlink()


def unknown_colour(tiles: Path, labels: Path) -> None:
    Image.new("RGB", (32, 32), (0, 255, 0)).save(labels / "tile-01.png")


def unknown_index(tiles: Path, labels: Path) -> None:
    Image.new("L", (32, 32), 200).save(labels / "tile-01.png")


def other_size(tiles: Path, labels: Path) -> None:
    Image.new("RGB", (16, 32)).save(tiles / "tile-01.png")


def no_image(tiles: Path, labels: Path) -> None:
    (tiles / "tile-01.png").write_text("this is no image")


def empty(tiles: Path, labels: Path) -> None:
    for path in tiles.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "damage, parts",
    [
        (remove_label, ["tile-01.png has no label map", "Add what is missing"]),
        (unknown_colour, ["tile-01.png", "#00ff00", "1024 pixels", "nearest is", "Recolour"]),
        (unknown_index, ["tile-01.png", "value 200", "0 to 3", "Relabel"]),
        (other_size, ["tile-01.png is 16x32 pixels", "32x32", "They must be equal"]),
        (no_image, ["tile-01.png is no image of a known kind", "Replace the file"]),
        (empty, ["folder of tiles", "holds no image", "Check the path"]),
    ],
)
def test_pack_says_what_where_and_what_to_do(
    folders: tuple[Path, Path],
    damage: Callable[[Path, Path], None],
    parts: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(*folders)
    root = folders[0].parent
    before = everything_below(root)
    assert run("pack", *folders, root / "out", "--schema", "prostate-3") == 2
    message = capsys.readouterr().err
    assert message.startswith("histosyn: ")
    assert "Traceback" not in message
    for part in parts:
        assert part in message
    assert everything_below(root) == before, "something half-written was left behind"


@pytest.mark.parametrize(
    "tokens, parts",
    [
        (["pack", "none", "none", "out"], ["folder of tiles: none does not exist"]),
        (["doctor", "none", "none"], ["none does not exist"]),
        (["synth", "none", "none", "out"], ["none is no model", "model folder"]),
        (["train", "--data.shards", "none"], ["shards: none does not exist"]),
        (["train"], ["--data.shards is missing"]),
        (["train", "--data.shards", "x", "--run.stepps", "3"], ["--run.stepps", "--run.steps"]),
        (["train", "--data.shards", "x", "--run.steps", "many"], ["many", "int"]),
        (["train", "--data.shards", "x", "--config", "none.toml"], ["none.toml does not exist"]),
        (["train", "--config", "typo.toml"], ["typo.toml", "sceduler"]),
        (["train", "--config", "type.toml"], ["type.toml", "steps", "many"]),
        (["train", "--config", "half.toml"], ["half.toml", "run.steps = 2.9", "a whole number"]),
        (["train", "--config", "table.toml"], ["table.toml", "generator = 5"]),
        (["train", "--data.shards", "x", "--data.crop", "0"], ["data.crop = 0"]),
        (["phantom", "type.toml/out", "--count", "1"], ["type.toml"]),
        (["train", "--data.shards", "x", "--run.steps", "-1"], ["run.steps = -1 must be at least"]),
        (["eval", "agreement", "none.csv"], ["none.csv"]),
        (["eval", "fid", "none", "none", "--extractor", "random"], ["none"]),
        (["phantm"], ["phantm", "phantom"]),
    ],
)
def test_errors_are_one_message_and_exit_code_2(
    tokens: list[str],
    parts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.toml").write_text("[sceduler]\nx = 1\n[data]\nshards = 'x'\n")
    (tmp_path / "type.toml").write_text("[run]\nsteps = 'many'\n[data]\nshards = 'x'\n")
    (tmp_path / "half.toml").write_text("[run]\nsteps = 2.9\n[data]\nshards = 'x'\n")
    (tmp_path / "table.toml").write_text("generator = 5\n[data]\nshards = 'x'\n")
    before = everything_below(tmp_path)
    assert run(*tokens) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for part in parts:
        assert part in message
    assert everything_below(tmp_path) == before, "something half-written was left behind"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        main(["pack", str(tmp_path / "none"), str(tmp_path), "out", "--debug"])


def test_failed_work_has_another_exit_code_than_bad_usage() -> None:
    assert (HistosynError.exit_code, InputError.exit_code) == (1, 2)


@pytest.mark.parametrize(
    "tokens",
    [[name] for name, *_ in COMMANDS]
    + [["eval", name] for name, *_ in EVAL_COMMANDS]
    + [["submit", name] for name, *_ in SUBMIT_COMMANDS],
    ids=" ".join,
)
def test_every_command_explains_itself(tokens: list[str], capsys: pytest.CaptureFixture) -> None:
    assert run(*tokens, "--help") == 0
    text = capsys.readouterr().out
    assert f"Usage: histosyn {' '.join(tokens)}" in text
    assert len(text.splitlines()) > 8


def test_the_installed_script_runs() -> None:
    script = Path(sys.executable).with_name("histosyn")
    if not script.exists():
        pytest.skip("histosyn is not installed as a script beside this Python")
    finished = subprocess.run([script, "--version"], capture_output=True, text=True, env=os.environ)
    assert finished.returncode == 0
    assert finished.stdout.strip()


@pytest.mark.parametrize("module", ["histosyn", "launch", "launch.cli"])
def test_modules_are_the_command(module: str) -> None:
    """Also for `torchrun -m histosyn`."""
    command = [sys.executable, "-m", module, "--version"]
    finished = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    assert finished.stdout.strip() == histosyn.__version__


PHANTOMS = """
import signal
from launch.cli import main
# A job in the background of a shell starts with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
main(["phantom", "out", "--count", "5000"])
"""


def test_ctrl_c_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PHANTOMS], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while not list(tmp_path.glob(".out.*/*/*.png")) and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, message = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert message.startswith("histosyn: interrupted")
    assert "Traceback" not in message
    assert list(tmp_path.iterdir()) == []


def test_presets_lie_below_the_file_and_that_below_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[generator]\nbase_channels = 7\n[run]\nseed = 3\n")
    options = ("--preset", "quality", "--config", file, "--data.shards", "x", "--run.seed", 4)
    assert run("train", *options, "--dry-run") == 0
    effective = tomllib.loads(capsys.readouterr().out)
    assert effective["generator"]["base_channels"] == 7
    assert effective["run"]["seed"] == 4
    assert effective["discriminator"]["base_channels"] == 64


def test_an_unknown_preset_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("train", "--preset", "best", "--data.shards", "x") == 2
    told = capsys.readouterr().err
    assert "best" in told and all(name in told for name in PRESETS)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_a_configuration(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--preset", name, "--data.shards", "x", "--dry-run") == 0
    effective = tomllib.loads(capsys.readouterr().out)
    for section, settings in PRESETS[name].settings.items():
        assert effective[section] | settings == effective[section]
