import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histosyn.labels.label_map import load_schema, read_label_map
from histosyn.phantom import write_phantom
from launch.cli import main


@pytest.fixture
def data(tmp_path, monkeypatch):
    write_phantom(tmp_path / "data", count=2, size=64, seed=0)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def _doctor(data, *options):
    main(["doctor", str(data / "tiles"), str(data / "labels"), *options])


def _refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main(["doctor", *map(str, arguments)])
    assert exit_info.value.code == 2
    return capsys.readouterr().err


def _recolour(data):
    """The label maps in colours of no schema."""
    palette = np.array([(9, 9, 9), (200, 20, 20), (20, 200, 20), (20, 20, 200)], np.uint8)
    for path in (data / "labels").iterdir():
        indices = read_label_map(path, load_schema("prostate-3"))
        Image.fromarray(palette[indices]).save(path)


def test_a_sound_data_set_may_train(data, capsys):
    _doctor(data, "--schema", "prostate-3")
    shown = capsys.readouterr().out
    assert "2 pairs. Training may start." in shown
    assert "non-epithelium" in shown
    assert "tiles with it" in shown
    assert "error" not in shown
    assert "No schema was given" not in shown


def test_errors_are_shown_saved_and_told_by_the_exit_code(data, tmp_path, capsys):
    Image.fromarray(np.full((64, 64), 9, np.uint8)).save(data / "labels/phantom-00000.png")
    with pytest.raises(SystemExit) as exit_info:
        _doctor(data, "--json", str(tmp_path / "found.json"), "--schema", "prostate-3")
    assert exit_info.value.code == 2
    shown = capsys.readouterr()
    assert "9: 4096 pixels in 1 label map" in shown.out.replace(",", "")
    assert "(of no class)" in shown.out
    assert "Training may start" not in shown.out
    assert "1 problem in" in shown.err
    assert "Training would fail or mislead: fix the errors above first." in shown.err
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["kind"] == "doctor"
    assert found["ready"] is False
    assert found["findings"][0]["severity"] == "error"
    assert found["findings"][0]["files"] == ["phantom-00000.png"]


def test_warnings_do_not_stop_training(data, capsys):
    (data / "tiles/phantom-00001.png").write_bytes((data / "tiles/phantom-00000.png").read_bytes())
    _doctor(data, "--schema", "prostate-3")
    shown = capsys.readouterr().out
    assert "warning" in shown
    assert "Training may start." in shown


def test_a_built_in_schema_is_recognised_and_not_written(data, tmp_path, capsys):
    _doctor(data)
    assert "fit the built-in prostate-3: pass --schema prostate-3." in capsys.readouterr().out
    assert not (tmp_path / "schema.toml").exists()
    _doctor(data, "--write-schema", "mine.toml")
    assert load_schema(tmp_path / "mine.toml") == load_schema("prostate-3")


def test_a_proposed_schema_is_written_and_can_be_passed_on(data, tmp_path, capsys):
    _recolour(data)
    _doctor(data)
    shown = capsys.readouterr().out
    assert "A schema of 4 classes is proposed: edit the names in schema.toml" in shown
    assert "class-3" in shown
    written = (tmp_path / "schema.toml").read_text()
    _doctor(data)
    assert (tmp_path / "schema.toml").read_text() == written
    _doctor(data, "--schema", "schema.toml")
    assert "Training may start." in capsys.readouterr().out


def test_a_schema_file_that_differs_is_left_alone(data, tmp_path, capsys):
    _recolour(data)
    (tmp_path / "schema.toml").write_text("# mine")
    _doctor(data)
    assert "schema.toml exists and differs, so it was left as it is." in capsys.readouterr().out
    assert (tmp_path / "schema.toml").read_text() == "# mine"
    _doctor(data, "--write-schema", "other.toml")
    assert load_schema(tmp_path / "other.toml").classes[0].name == "class-0"


def test_of_very_many_classes_only_those_that_occur_are_shown(data, capsys):
    values = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64) % 71
    for path in (data / "labels").iterdir():
        Image.fromarray(np.where(values == 70, np.uint8(120), values)).save(path)
    _doctor(data)
    shown = capsys.readouterr().out
    assert "class-120" in shown
    assert "│ class-119" not in shown


def test_suffixes_and_groups_reach_the_examination(data, tmp_path, capsys):
    for path in (data / "labels").iterdir():
        path.rename(path.with_name(path.stem + "_mask.png"))
    csv = tmp_path / "groups.csv"
    csv.write_text("tile,slide\nphantom-00000,a\n")
    options = ("--label-suffix", "_mask", "--groups", str(csv), "--group-column", "slide")
    with pytest.raises(SystemExit):
        _doctor(data, *options)
    shown = capsys.readouterr().out
    assert "tiles of which the CSV says nothing" in shown
    assert "phantom-00001.png" in shown


def test_what_was_found_is_saved_although_nobody_reads_the_table(data, tmp_path):
    command = [sys.executable, "-c", "from launch.cli import main; main()", "doctor",
               str(data / "tiles"), str(data / "labels"), "--json", "found.json"]  # fmt: skip
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(write)
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "found.json").read_text())["ready"] is True


def test_an_unknown_schema_is_told_the_nearest(data, capsys):
    said = _refused(capsys, data / "tiles", data / "labels", "--schema", "prostate3")
    assert "Did you mean prostate-3?" in said


def test_what_does_not_go_together_is_refused(data, capsys):
    both = (data / "tiles", data / "labels")
    assert "Name the folder of tiles" in _refused(capsys)
    assert "or give two folders" in _refused(capsys, data / "tiles")
    assert "--shared goes with --system" in _refused(capsys, *both, "--shared", data)
    assert "--system examines no data set" in _refused(capsys, *both, "--system")
    told = _refused(capsys, *both, "--schema", "prostate-3", "--write-schema", "x.toml")
    assert "--write-schema is for a proposed schema" in told
    assert "is a folder" in _refused(capsys, *both, "--write-schema", data)


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


def test_an_installation_is_examined_without_a_data_set(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("launch.system_check.show_system", lambda **given: asked.append(given))
    main(["doctor", "--system", "--shared", str(tmp_path), "--json", "found.json"])
    assert asked == [{"shared": tmp_path, "json": Path("found.json")}]
