"""`histosyn report` and `histosyn status` of a sweep's folder."""

import csv
import json

import pytest
from sweep_folders import at_work, write_sweep
from sweep_records import made_up

from launch.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "made-up"
    write_sweep(folder, 6)
    return folder


def refused(capsys, *tokens):
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, tokens)))
    assert caught.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_report_writes_page_data_and_leaderboard(folder, capsys):
    main(["report", str(folder)])

    told = capsys.readouterr().out
    assert "made-up: 6 of 6 trials ended, 6 of 6 repeats with other seeds" in told
    for file in ("report.html", "report.json", "leaderboard.csv"):
        assert str(folder / file) in told
    page = (folder / "report.html").read_text()
    assert "<h1>Sweep: made-up</h1>" in page
    data = json.loads((folder / "report.json").read_text())
    assert data["kind"] == "sweep report"
    rows = list(csv.DictReader((folder / "leaderboard.csv").read_text().splitlines()))
    assert [row["rank"] for row in rows][:5] == ["1", "2", "3", "4", "5"]
    assert len(rows) == 12


def test_the_page_may_lie_elsewhere_under_another_title(folder, tmp_path, capsys):
    main(["report", str(folder), "--out", str(tmp_path / "p.html"), "--title", "Rates <1>"])

    assert "<h1>Rates &lt;1&gt;</h1>" in (tmp_path / "p.html").read_text()
    assert (tmp_path / "p.json").is_file()


def test_status_shows_the_table_while_it_runs(tmp_path, capsys):
    write_sweep(tmp_path / "sweep", 6, ended=False, tissue=False, record=at_work(made_up(6)))

    main(["status", str(tmp_path / "sweep")])

    told = capsys.readouterr().out
    assert "sweep: 4 of 6 trials ended, 0 of 6 repeats with other seeds" in told
    assert "0 (defaults)" in told
    assert "waiting" in told


def test_what_does_not_fit_a_sweep_is_refused(folder, tmp_path, capsys):
    facts = tmp_path / "facts.toml"
    facts.write_text('ethics = "x"\n')

    assert "is a sweep, whose report has none" in refused(
        capsys, "report", folder, "--facts", facts
    )
    assert "is a sweep, and --json" in refused(
        capsys, "status", folder, "--json", tmp_path / "s.json"
    )


def test_a_job_file_hears_whether_trials_are_left(folder, tmp_path, capsys):
    """Also repeats that have not been made."""
    main(["status", "--next", str(folder)])
    assert capsys.readouterr().out == "nothing\n"

    write_sweep(tmp_path / "running", record=at_work(made_up(16)), ended=False)
    main(["status", "--next", str(tmp_path / "running")])
    assert capsys.readouterr().out == "restart\n"

    write_sweep(tmp_path / "unrepeated", 6)
    next((tmp_path / "unrepeated/repeats").glob("*/outcome.json")).unlink()
    main(["status", "--next", str(tmp_path / "unrepeated")])
    assert capsys.readouterr().out == "restart\n"
