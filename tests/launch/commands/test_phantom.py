import pytest

from launch.cli import main


def test_the_folder_is_written_and_the_next_step_said(tmp_path, capsys):
    out = tmp_path / "demo"
    main(["phantom", str(out), "--count", "9", "--size", "64", "--seed", "4"])
    shown = capsys.readouterr().out
    assert "9 tiles of 64x64 pixels at 1.0 microns per pixel, from 2 made-up patients" in shown
    assert f"histosyn pack {out / 'tiles'} {out / 'labels'}" in shown
    assert len(list((out / "tiles").iterdir())) == len(list((out / "labels").iterdir())) == 9


def test_an_odd_name_is_shown_as_it_is_and_quoted_for_the_shell(tmp_path, capsys):
    out = tmp_path / "out[/x] y"
    main(["phantom", str(out), "--count", "1", "--size", "64"])
    shown = capsys.readouterr().out
    assert f"in {out}.\n" in shown
    assert f"histosyn pack '{out / 'tiles'}' '{out / 'labels'}' packed" in shown


def test_a_wrong_size_is_bad_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["phantom", str(tmp_path / "demo"), "--size", "100"])
    assert exit_info.value.code == 2
    assert "multiple of 32" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
