"""What is printed is what was meant: no markup in data, no line wrapped or cut off a terminal."""

import io
import re
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from launch.terminal.console import console, open_streams, say

FLOORS = ("hpc", "histosyn", "eval", "tune", "launch")

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


def stdout_in(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    open_streams()
    return stream


def printed(stream):
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_columns_stay_in_line_in_every_encoding(encoding, monkeypatch):
    stream = stdout_in(encoding, monkeypatch)
    table = Table("κ", "name", title="κ…", caption="10 × 3")
    table.add_row("1 ± 2", Text("Dr\udcfcse").append(" κ", "bold"))
    table.add_row("−3", "\x1b[31m")

    console().print(table)

    lines = printed(stream).splitlines()
    rows = [line for line in lines if line[:1] in "│┃|" and "--" not in line]
    assert len({len(row) for row in rows}) == 1
    assert "Dr\\xfcse" in rows[1]
    assert "\\x1b[31m" in rows[2] and "\x1b" not in "".join(lines)
    assert encoding == "utf-8" or "kappa" in rows[0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_whatever_is_printed_by_whomever_can_be_encoded(encoding, monkeypatch):
    stream = stdout_in(encoding, monkeypatch)

    print("κ \udcfc")
    say("κ \udcfc\x1b[m", end="")

    assert printed(stream).splitlines()[1] == ("κ" if encoding == "utf-8" else "kappa") + (
        " \\xfc\\x1b[m"
    )


def test_style_stays_where_a_text_is_spelled(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = stdout_in("ascii", monkeypatch)

    console().print(Text("κ: ").append("bad\x1b", "red"))

    assert printed(stream) == "kappa: \x1b[31mbad\\x1b\x1b[0m\n"


def test_all_that_is_printed_goes_through_here():
    root = Path(__file__).parents[3]
    own = {root / "launch/terminal/console.py", root / "hpc/log.py"}
    modules = {path for floor in FLOORS for path in (root / floor).rglob("*.py")} - own
    makes = re.compile(r"\bConsole\(|StreamHandler\(|FileHandler\(|sys\.stdout\b|\bprint\((?!\))")

    found = [str(path) for path in sorted(modules) for line in path.read_text().splitlines()
             if makes.search(line) and not line.strip().startswith(("#", '"'))
             and ".print(" not in line]  # fmt: skip

    assert found == []
