"""A result that cannot be written is refused before the work."""

from pathlib import Path

import pytest

from hpc.errors import InputError
from launch.cli import main
from launch.output_checks import check_output_file, check_output_folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder: a folder `folder` and a file `file`."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("full")
    return tmp_path


@pytest.mark.parametrize("path", ["new.json", "folder/new.json", "a/b/new.json", "file"])
def test_a_place_that_will_do_leaves_no_trace(here, path):
    before = set(here.rglob("*"))

    check_output_file(Path(path), "--json")
    check_output_file(here / path, "--json")
    check_output_file(None, "--json")

    assert set(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("folder", "--json: folder is a folder"),
        (".", "--json: . is a folder"),
        ("file/new.json", "--json: file is a file, not a folder"),
        ("file/deep/new.json", "--json: file is a file, not a folder"),
        ("/proc/new.json", "--json: nothing can be written to /proc"),
    ],
)
def test_an_impossible_place_is_refused(here, path, message):
    if path.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("there is no /proc here")
    with pytest.raises(InputError, match="^" + message):
        check_output_file(Path(path), "--json")


def test_a_folder_may_exist_or_be_made(here):
    check_output_folder(Path("folder"), "--save-statistics")
    check_output_folder(Path("a/b"), "--save-statistics")
    with pytest.raises(InputError, match="^--save-statistics: file is a file"):
        check_output_folder(Path("file"), "--save-statistics")


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "fid", "none", "none"],
        ["eval", "agreement", "none"],
        ["doctor", "none", "none"],
    ],
    ids=lambda command: " ".join(command[:-1]),
)
@pytest.mark.parametrize("path", ["folder", "file/new.json"])
def test_commands_notice_before_they_look_at_their_input(here, command, path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--json", path])

    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("histosyn: --json: ")
    assert error.count("\n") == 1
