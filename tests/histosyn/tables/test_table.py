"""The reader of all tables that people bring: every trap that we know, and round trips."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.tables.cells import (
    equal_numbers,
    finite_number,
    identifier,
    is_missing,
    look_alike,
    plain,
    with_decimal_point,
)
from histosyn.tables.columns import did_you_mean, is_no_reader, meant_by
from histosyn.tables.table import Table, parse_table, read_table
from hpc.errors import DatasetError, InputError

KNOWN = ("tile", "patient")
PATH = Path("t.csv")


def parsed(data: str | bytes) -> Table:
    return parse_table(PATH, data if isinstance(data, bytes) else data.encode(), KNOWN)


def cells(data: str | bytes) -> list[tuple[str, ...]]:
    return [row.cells for row in parsed(data).rows]


@pytest.mark.parametrize(
    "text",
    [
        "tile,patient\na,1\nb,2\n",
        "tile,patient\r\na,1\r\nb,2",
        "tile,patient\ra,1\rb,2\r",
        "\ufefftile,patient\na,1\nb,2\n",
        "\n\ntile,patient\n\n,\na,1\n  ,\t\nb,2\n\n",
        "tile,patient,,\na,1,,\nb,2,,\n",
        "tile,patient\na,1,,\nb,2,\n",
        '"tile", "patient"\n"a", "1"\n b , 2 \n',
        "tile;patient\na;1\nb;2\n",
        "tile\tpatient\na\t1\nb\t2\n",
        "sep=;\ntile;patient\na;1\nb;2\n",
        '"sep=\t"\r\ntile\tpatient\r\na\t1\r\nb\t2\r\n',
        "\u00a0tile\u200b,patient\na\u00a0,1\nb,2\n",
    ],
)
def test_the_same_table_as_programs_write_it(text: str) -> None:
    table = parsed(text)
    assert table.columns == ("tile", "patient")
    assert [row.cells for row in table.rows] == [("a", "1"), ("b", "2")]


def test_rows_know_their_lines_also_after_empty_ones_and_line_breaks() -> None:
    table = parsed('tile,note\na,"1\n2"\n\nb,3\n')
    assert [(row.line, row.cells) for row in table.rows] == [(2, ("a", "1\n2")), (5, ("b", "3"))]
    assert table.where(table.rows[1]) == "t.csv, line 5"


def test_quotes_hold_separators_and_quotes() -> None:
    text = 'tile,patient\n"S1 [x=0,y=0].png","Miller, ""A."""\n'
    assert cells(text) == [("S1 [x=0,y=0].png", 'Miller, "A."')]


def test_the_separator_is_the_one_that_finds_the_columns() -> None:
    assert parsed("tile;patient, or case\na;1\n").columns == ("tile", "patient, or case")
    assert parsed("tile,a;b;c;d\na,1\n").columns == ("tile", "a;b;c;d")
    assert parsed("tile\na;b\n").columns == ("tile",)


def test_decimal_commas_where_the_comma_separates_nothing() -> None:
    assert cells("tile;patient\n1,0;-2,50\n") == [("1.0", "-2.50")]
    assert cells('tile,patient\n"1,0","1,2,3"\n') == [("1,0", "1,2,3")]
    assert cells("tile;patient\n1,2,3;a,1\n") == [("1,2,3", "a,1")]


OTHER_FILES = {
    "xlsx or numbers": (b"PK\x03\x04\x14\x00", "a workbook .* Save the table as CSV in UTF-8"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
    "utf-16": ("tile,patient\na,1\n".encode("utf-16"), "UTF-16 text"),
    "utf-16, big end first": (b"\xfe\xff" + "tile,a\n".encode("utf-16-be"), "UTF-16 text"),
    "utf-16 without mark": ("tile,a\n".encode("utf-16-le"), "line 1: a zero byte"),
    "latin-1": ("tile,patient\na,1\nb,Müller\n".encode("latin-1"), "line 3: .* perhaps Latin-1"),
    "gzip": (b"\x1f\x8b\x08\x00", "compressed"),
    "web page": (b"<!DOCTYPE html><table>", "a web page"),
    "zero byte": (b"tile,patient\na,1\nb,\x002\n", "line 3: a zero byte"),
    "empty": (b"", "is empty"),
    "blank": (b"\xef\xbb\xbf\r\n , \n", "is empty"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_what_is_no_csv_is_named(name: str) -> None:
    data, match = OTHER_FILES[name]
    with pytest.raises(DatasetError, match=match) as raised:
        parsed(data)
    assert "t.csv" in str(raised.value)


WRONG = {
    "comma not quoted": ("tile,patient\na,1\nb,Miller, A.\n", "line 3: 3 cells under 2 .*quotes"),
    "cut off": ("tile,patient\na,1\nb\n", "line 3: 1 cells under 2 columns, separated by commas"),
    "mixed": ("tile;patient\na,1\n", "line 2: 1 cells under 2 columns, separated by semicolons"),
    "doubled": ("tile,patient,patient\na,1,2\n", "line 1: two columns are named 'patient'"),
    "doubled but for blanks": ("tile,a  b,a\u00a0b\na,1,2\n", "two columns are named 'a b'"),
    "index of a data frame": (
        ",tile,patient\n0,a,1\n",
        "column 1 has no name.*without their index",
    ),
    "nameless": ("tile,patient,\na,1,\nb,1,x\n", "line 3: column 3 has no name"),
    "quote not closed": ('tile,patient\na,1\nb,"2\nc,3\n', "line 3: not valid CSV"),
    "quote within": ('tile,patient\na,"1"2\n', "line 2: not valid CSV"),
    "long cell": ("tile,patient\na," + "x" * 40_000 + "\n", "line 2: a cell of more than 32767"),
    "longer name": ("[" * 200_000 + "\na,1\n", "line 1: not valid CSV"),
    "names of nothing": ("\u200b,\u200b\na,1\n", "line 1: column 1 has no name"),
    "longer cell": ("tile,patient\na," + "x" * 200_000 + "\n", "line 2: not valid CSV"),
    "header again": ("tile,patient\na,1\ntile,patient\n", "line 3: the header once more"),
    "bars": ("tile|patient\na|1\n", "Separate cells by commas, semicolons or tabs"),
    "other separator told": ("sep=|\ntile|patient\n", "separated by '|'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_an_error_that_names_the_line(name: str) -> None:
    text, match = WRONG[name]
    with pytest.raises(DatasetError, match=match.replace("|", r"\|")):
        parsed(text)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="groups file: .* does not exist"):
        read_table(tmp_path / "none.csv", "groups file", KNOWN)


def test_columns_are_found_whatever_their_case_unless_two_fit() -> None:
    table = parsed("Tile,PATIENT,x\na,1,\n")
    assert [table.index(name) for name in ("tile", "patient", "mpp")] == [0, 1, None]
    with pytest.raises(DatasetError, match="'Tile' and 'tile' could both be tile"):
        parsed("Tile,tile\na,1\n").index("tile")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("1.000", "1"),
        ("1.", "1"),
        ("-3.0", "-3"),
        ("007", "007"),
        ("1.10", "1.10"),
        ("1e5", "1e5"),
        ("P1.0", "P1.0"),
        ("1.0.0", "1.0.0"),
        ("A\u00a0\u202f 1", "A 1"),
        ("e\u0301", "\u00e9"),
        ("a\u200bb\ufeff", "ab"),
    ],
)
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    assert identifier(text, "here") == name


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1.23457E+17", "here: 1.23457E.17 is a number that a spreadsheet has rounded"),
        ("2e+05", "rounded"),
        ("#REF!", "a formula that failed"),
        ("#Name?", "a formula that failed"),
        ("a\nb", "a line break"),
        ("a\x07", "a line break or a control character"),
    ],
)
def test_what_is_no_name_is_refused(text: str, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        identifier(text, "here")


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["1", "2"], None),
        (["1", "01"], ("1", "01")),
        (["a", "1.10", "1.1"], ("1.10", "1.1")),
        (["12345678901234567890", "12345678901234567891"], None),
        (["1_0", "10"], None),
        (["1e1", "10"], None),
    ],
)
def test_two_names_that_are_one_number(names: list[str], pair: tuple[str, str] | None) -> None:
    assert equal_numbers(names) == pair


def test_names_that_look_alike() -> None:
    assert look_alike(["P 1", "p_1", "P1", "Straße", "STRASSE"]) == [
        ("P 1", "p_1"),
        ("Straße", "STRASSE"),
    ]


@pytest.mark.parametrize("word", ["", "NA", "nan", "None", "NULL", "#N/A", "<NA>", ".", "-", "–"])
def test_words_for_nothing(word: str) -> None:
    assert is_missing(word)
    assert is_missing(word.swapcase())


@pytest.mark.parametrize("word", ["0", "no", "+", "..", "NA1", "unknown", "x"])
def test_words_for_something(word: str) -> None:
    assert not is_missing(word)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5", 0.5), ("1e0", 1), (".5", 0.5), ("+2", 2), ("5.", 5)]
    + [(text, None) for text in ("", "inf", "nan", "1e999", "1_0", "0x1", "\u0661", "1,5", "half")],
)
def test_numbers_are_finite_and_of_plain_digits(text: str, number: float | None) -> None:
    assert finite_number(text) == number


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Image ID", "image"),
        ("filename", "image"),
        ("annotator", "rater"),
        ("choice", "rating"),
        ("ratings", "rating"),
        ("imag", "image"),
        ("R1", None),
        ("Jane", None),
    ],
)
def test_what_a_column_is_probably_called_here(name: str, meant: str | None) -> None:
    assert meant_by(name, ("image", "rater", "rating")) == meant


NO_READERS = """Patient,patient_id,Patient No.,case,CaseID,slide name,Comment,R1_comment,R1 seconds,
notes,age,Sex,site,group,split,mpp,Unnamed: 0,truth,R2 confidence,diagnosis,pt_id,time"""


@pytest.mark.parametrize("name", NO_READERS.split(","))
def test_what_is_no_reader(name: str) -> None:
    assert is_no_reader(name)


@pytest.mark.parametrize("name", ["R1", "Pat", "Casey", "Reader A", "X", "GT", "7", "Noah"])
def test_who_may_be_a_reader(name: str) -> None:
    assert not is_no_reader(name)


def test_nothing_is_meant_twice() -> None:
    hint = did_you_mean(["score", "grade", "reader"], ("rater", "rating"))
    assert hint == " Did you mean rating by 'score', rater by 'reader'?"
    assert did_you_mean(["x"], ("rater",)) == ""


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8).map(plain)
NAMES = st.lists(
    WORD.filter(lambda name: name and not name[0].isdigit() and name[0] not in "+-"),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(
    names=NAMES,
    data=st.data(),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_program_writes_is_what_is_read(
    names: list[str], data: st.DataObject, separator: str, end: str
) -> None:
    columns = ["tile", "patient", *(f"x{name}" for name in names)]
    row = st.tuples(*(WORD for _ in columns)).filter(lambda row: any(row) and list(row) != columns)
    rows = data.draw(st.lists(row, max_size=5))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end).writerows([columns, *rows])
    found = parsed(out.getvalue())
    assert found.columns == tuple(columns)
    decimal = with_decimal_point if separator != "," else str
    assert [row.cells for row in found.rows] == [tuple(map(decimal, row)) for row in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error_for_users(data: bytes) -> None:
    for content in (data, b"tile,patient\n" + data, b"sep=;\n" + data):
        try:
            table = parsed(content)
        except DatasetError:
            continue
        assert all(len(row.cells) == len(table.columns) for row in table.rows)


@pytest.mark.slow
def test_a_million_rows(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("tile,patient" + os.linesep)
        file.writelines(f"t{n}.png,P{n % 1000}\n" for n in range(1_000_000))
    table = read_table(path, "groups file", KNOWN)
    assert len(table.rows) == 1_000_000
    assert table.rows[-1].line == 1_000_001
