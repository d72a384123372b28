"""`histosyn report`, as users call it."""

import json

import pytest
from PIL import Image
from report_results import fid, save, write_run

from launch.cli import main


def refused(arguments, capsys, code=2):
    with pytest.raises(SystemExit) as stop:
        main(["report", *map(str, arguments)])
    assert stop.value.code == code
    return capsys.readouterr().err


def test_a_page_and_its_data(tmp_path, capsys):
    folder = save(write_run(tmp_path / "run"), fid=fid())
    Image.new("RGB", (20, 10), "red").save(folder / "fid.png")
    main(["report", str(folder), "--title", "Ours"])
    shown = capsys.readouterr().out
    assert "1 result, 3 claims: 0 held, 2 within the floor, 1 did not hold" in shown
    page = (folder / "report.html").read_text()
    assert "<h1>Ours</h1>" in page
    assert "Picture that was made with fid.json" in page
    assert json.loads((folder / "report.json").read_text())["kind"] == "report"
    # The report itself is no result.
    main(["report", str(folder)])
    assert "1 result, " in capsys.readouterr().out


def test_answers_come_from_a_file(tmp_path, capsys):
    folder, facts = save(tmp_path / "results", fid=fid()), tmp_path / "facts.toml"
    facts.write_text('ethics = "Board 7, 2026"')
    out = tmp_path / "page.html"
    main(["report", str(folder), "--facts", str(facts), "--out", str(out)])
    assert "Board 7, 2026" in out.read_text()
    assert (tmp_path / "page.json").is_file()
    for text, told in (("ethics = 3", "must be a text"), ("=", "no TOML"), ('x = "y"', "no item")):
        facts.write_text(text)
        assert told in refused([folder, "--facts", facts], capsys)


def test_damage_is_told_and_the_rest_is_done(tmp_path, capsys):
    folder = save(tmp_path / "results", fid=fid())
    (folder / "broken.json").write_text("{")
    assert "1 files are not in the report, such as" in refused([folder], capsys, code=1)
    assert "broken.json" in (folder / "report.html").read_text()


def test_nothing_to_report_is_one_message(tmp_path, capsys):
    assert "neither a run nor a result" in refused([tmp_path], capsys)
    assert "missing" in refused([tmp_path / "missing"], capsys)
    folder = save(tmp_path / "results", fid=fid())
    assert "the page and the data" in refused([folder, "--out", folder / "x.json"], capsys)
