import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from histosyn.phantom import write_phantom
from launch.cli import main


@pytest.fixture
def data(tmp_path):
    write_phantom(tmp_path / "data", count=2, size=64, seed=0)
    return tmp_path / "data"


def _doctor(data, *options):
    main(["doctor", str(data / "tiles"), str(data / "labels"), *options])


def test_a_sound_data_set_may_train(data, capsys):
    _doctor(data)
    shown = capsys.readouterr().out
    assert "2 pairs. Training may start." in shown
    assert "non-epithelium" in shown
    assert "error" not in shown


def test_errors_are_shown_saved_and_told_by_the_exit_code(data, tmp_path, capsys):
    Image.fromarray(np.full((64, 64), 9, np.uint8)).save(data / "labels/phantom-00000.png")
    with pytest.raises(SystemExit) as exit_info:
        _doctor(data, "--json", str(tmp_path / "found.json"))
    assert exit_info.value.code == 2
    shown = capsys.readouterr()
    assert "value 9" in shown.out
    assert "Training may start" not in shown.out
    assert "1 problem in" in shown.err
    assert "Training would fail: fix the errors above first." in shown.err
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["kind"] == "doctor"
    assert found["ready"] is False
    assert found["findings"][0]["severity"] == "error"


def test_warnings_do_not_stop_training(data, capsys):
    (data / "tiles/phantom-00001.png").write_bytes((data / "tiles/phantom-00000.png").read_bytes())
    _doctor(data)
    shown = capsys.readouterr().out
    assert "warning" in shown
    assert "Training may start." in shown


def test_an_unknown_schema_is_told_the_nearest(data, capsys):
    with pytest.raises(SystemExit) as exit_info:
        _doctor(data, "--schema", "prostate3")
    assert exit_info.value.code == 2
    assert "Did you mean prostate-3?" in capsys.readouterr().err


def test_odd_and_long_names_are_shown_whole(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    odd = tmp_path / "out[/x]" / ("deep" * 30)
    odd.parent.mkdir(parents=True)
    data.rename(odd)
    (odd / "tiles/phantom-00001.png").unlink()
    schema = tmp_path / "schema.toml"
    names = ("[/b]", "a-class-of-a-very-long-name-that-is-wider-than-40", "c:x:", "nuclei")
    schema.write_text(
        "".join(
            f"[[classes]]\nname = '{name}'\ncolor = '#00000{index}'\n"
            for index, name in enumerate(names)
        )
    )
    with pytest.raises(SystemExit):
        _doctor(odd, "--schema", str(schema))
    shown = capsys.readouterr().out
    assert str(odd / "labels/phantom-00001.png") in shown
    for name in names:
        assert name in shown


@pytest.mark.parametrize("command", ["doctor", "phantom"])
def test_the_command_is_loaded_without_torch(command):
    code = f"import sys, launch.commands.{command}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
