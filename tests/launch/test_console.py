"""What is printed is what was meant: no markup in data, no line wrapped or cut off a terminal."""

from rich.table import Table
from rich.text import Text

from launch.console import console

ODD = "out[/x]/[red]a:smile:" + "/deep" * 60


def test_a_line_is_printed_as_it_is(capsys):
    console().print(ODD)

    assert capsys.readouterr().out == ODD + "\n"


def test_a_table_is_as_wide_as_its_content(capsys):
    table = Table("where[/]", "what", title="[/title]", title_justify="left")
    table.add_row(ODD, Text("error", style="red"))

    console().print(table)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip() == "[/title]"
    assert f"│ {ODD} │ error │" in lines
    assert max(map(len, lines)) < len(ODD) + 20


def test_a_table_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    table = Table()
    table.add_column("where", overflow="fold")
    table.add_row("x" * 200)

    console().print(table)

    shown = capsys.readouterr().out
    assert shown.count("x") == 200
    assert len(shown.splitlines()[0]) == 60
