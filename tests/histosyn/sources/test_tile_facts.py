from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.sources.tile_facts import TileFacts, match_facts, read_tile_facts
from hpc.errors import DatasetError

SOURCE = Path("groups.csv")
NAMES = st.text("ab.1", min_size=1, max_size=4).filter(lambda name: name.strip("."))
KEYS = st.lists(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True
)


def facts(groups: dict[str, str]) -> dict[str, TileFacts]:
    return {name: TileFacts(group=group) for name, group in groups.items()}


def groups_file(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_lose_image_suffixes_and_white_space_only(tmp_path: Path) -> None:
    text = "\ufeff tile , patient\n a/1.PNG , P1 \ns1.a,P1\ns1.b,P2\ns2.tif.png,P3\n\n,\n"
    assert read_tile_facts(groups_file(tmp_path, text)) == facts(
        {"a/1": "P1", "s1.a": "P1", "s1.b": "P2", "s2": "P3"}
    )


def test_names_may_have_the_suffix_of_tiles(tmp_path: Path) -> None:
    path = groups_file(tmp_path, "tile,patient\na_he.png,P1\nb_he,P2\nc,P3\n")
    assert read_tile_facts(path, tile_suffix="_he") == facts({"a": "P1", "b": "P2", "c": "P3"})
    doubled = groups_file(tmp_path, "tile,patient\na_he.png,P1\na.png,P2\n")
    with pytest.raises(DatasetError, match="puts a into two groups"):
        read_tile_facts(doubled, tile_suffix="_he")


def test_a_groups_file_may_know_the_split_and_the_resolution(tmp_path: Path) -> None:
    text = "mpp,tile,slide,split\n0.5,a.mat,s1,train\n,b,s2,val\n1e0,c,s3,test\n"
    assert read_tile_facts(groups_file(tmp_path, text), "slide") == {
        "a": TileFacts(group="s1", part="train", mpp=0.5),
        "b": TileFacts(group="s2", part="val"),
        "c": TileFacts(group="s3", part="test", mpp=1.0),
    }


@pytest.mark.parametrize(
    "text, match",
    [
        ("name,patient\na,1\n", "no column 'tile'"),
        ("", "is empty"),
        ("tile,slide\na,1\n", "no column 'patient', but tile, slide"),
        ("tile,patient\na.png,1\na.jpg,2\n", "puts a into two groups"),
        ("tile,patient\na,1\nb, \n", "line 3: patient is empty"),
        ("tile,patient\na\n", "line 2: 1 cells under 2 columns"),
        ("tile,patient\na,1,2\n", "line 2: 3 cells under 2 columns, .* into quotes"),
        ("tile,patient\nS1 [x=0,y=0].png,P1\n", "line 2: 3 cells under 2 columns"),
        ("tile,patient,patient\na,1,2\n", "two columns are named 'patient'"),
        ("tile,patient,Patient\na,1,2\n", "'patient' and 'Patient' could both be patient"),
        ("image,patient\na,1\n", "Did you mean tile by 'image'?"),
        ("tile,case_id\na,1\n", "Did you mean patient by 'case_id'?"),
        ("tile,patient\na,01\nb,1\n", "patient: '01' and '1' are one number"),
        ("tile,patient\na,1.10\nb,1.1\n", "'1.1' and '1.10' are one number"),
        ("tile,patient\na,1.23457E+17\n", "line 2: .* a number that a spreadsheet has rounded"),
        ("tile,patient\na,#REF!\n", "line 2: #REF! is a formula that failed"),
        ('tile,patient\na,"P1\nb"\n', "line 2: .* has a line break"),
        ("tile,patient\n,1\n", "line 2: tile is empty"),
        ("tile,patient,split\na,1,\n", "line 2: split is '', not train, val, test"),
        ("tile,patient,split\na,1,Train\n", "line 2: split is 'Train'"),
        ("tile,patient,mpp\na,1,0\n", "line 2: mpp is '0', not microns per pixel"),
        ("tile,patient,mpp\na,1,half\n", "mpp is 'half'"),
        ("tile,patient,mpp\na,1,inf\n", "mpp is 'inf'"),
        ("tile,patient,mpp\na,1,1e999\n", "mpp is '1e999'"),
        ('tile,patient,mpp\na,1,"0,5"\n', "mpp is '0,5'"),
        ("tile,patient,mpp\na.png,1,0.5\na.mat,1,1\n", "names a twice, differently"),
    ],
)
def test_groups_file_errors(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DatasetError, match=match) as error:
        read_tile_facts(groups_file(tmp_path, text))
    assert "groups.csv" in str(error.value)


def test_a_groups_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes("tile,patient\na,Müller\n".encode("utf-16"))
    with pytest.raises(DatasetError, match=r"groups\.csv is UTF-16 text.*Save the table as CSV in"):
        read_tile_facts(path)


@pytest.mark.parametrize("word", ["?", "unknown", "Missing", "n/d"])
def test_nobody_is_called_unknown(tmp_path: Path, word: str) -> None:
    with pytest.raises(DatasetError, match="line 3: patient is .*stands for nothing"):
        read_tile_facts(groups_file(tmp_path, f"tile,patient\na,P1\nb,{word}\n"))


@pytest.mark.parametrize(
    "word", ["NA", "N/A", "nan", "NaN", "None", "NULL", "null", "#N/A", "<NA>", ".", "-", "–", ""]
)
def test_nobody_is_called_nothing(tmp_path: Path, word: str) -> None:
    text = f"tile,patient,mpp\na,P1,{word}\nb,{word},1\n"
    with pytest.raises(DatasetError, match="line 3: patient is (empty|.*stands for nothing)"):
        read_tile_facts(groups_file(tmp_path, text))
    (known,) = read_tile_facts(groups_file(tmp_path, text[: text.index("b,")])).values()
    assert known == TileFacts(group="P1", mpp=None)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_of_other_countries(tmp_path: Path, separator: str) -> None:
    rows = (("tile", "patient", "mpp"), ("a,1", "1,0", "0,5"), ("b", "1", "1"))
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    assert read_tile_facts(groups_file(tmp_path, text)) == {
        "a,1": TileFacts(group="1", mpp=0.5),
        "b": TileFacts(group="1", mpp=1.0),
    }


def test_one_patient_however_the_name_is_written(tmp_path: Path) -> None:
    names = ["1", "1.0", "1.", "Mu\u0308 ller", "M\u00fc\u00a0ller", " M\u00fc  ller\ufeff"]
    text = "".join(f"t{at},{name}\n" for at, name in enumerate(names))
    found = read_tile_facts(groups_file(tmp_path, f"tile,patient\n{text}"))
    assert [known.group for known in found.values()] == ["1"] * 3 + ["M\u00fc ller"] * 3


def test_other_columns_and_doubtful_names_are_named(tmp_path: Path, caplog) -> None:
    text = "tile,patient,grade,subset\na,P 1,x,train\nb,p_1,x,val\n"
    assert len(read_tile_facts(groups_file(tmp_path, text))) == 2
    aside, alike = caplog.messages
    assert "left aside: grade, subset. Did you mean split by 'subset'?" in aside
    assert "look alike: P 1 and p_1" in alike


def test_a_misspelt_group_column_is_found(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Did you mean --group-column patient\?"):
        read_tile_facts(groups_file(tmp_path, "tile,patient\na,P\n"), "pateint")


def test_a_table_may_be_of_resolutions_alone(tmp_path: Path) -> None:
    found = read_tile_facts(groups_file(tmp_path, "tile,mpp\na.png,0.25\nb,\n"), None)
    assert found == {"a": TileFacts(group="a.png", mpp=0.25), "b": TileFacts(group="b")}


@given(KEYS)
def test_names_with_their_folders_are_never_mixed_up(keys: list[str]) -> None:
    known = facts({key: f"group of {key}" for key in keys})
    assert match_facts(keys, known, SOURCE) == known


@pytest.mark.parametrize(
    "keys, groups, expected",
    [
        (["A/1", "B/1"], {"A/1": "x", "B/1": "y"}, {"A/1": "x", "B/1": "y"}),
        (["A/1", "B/2"], {"1": "x", "2": "y"}, {"A/1": "x", "B/2": "y"}),
        (["1", "2"], {"/data/A/1": "x", "B/2": "y"}, {"1": "x", "2": "y"}),
        (["1", "A/1"], {"1": "x", "A/1": "y"}, {"1": "x", "A/1": "y"}),
        (["s1.a", "s1.b"], {"s1.a": "x", "s1.b": "y"}, {"s1.a": "x", "s1.b": "y"}),
        (["s.tif"], {"s": "x"}, {"s.tif": "x"}),
        (["B/1", "2"], {"A/1": "x", "2": "y", "gone": "z"}, {"2": "y"}),
        (["1"], {".": "x", "/": "y", "1": "z"}, {"1": "z"}),
        (["B/1"], {"1": "x", "B/1": "y"}, {"B/1": "y"}),
        (["e\u0301", "u"], {"\u00e9": "x", "u": "y"}, {"e\u0301": "x", "u": "y"}),
        (["e\u0301", "\u00e9"], {"\u00e9": "x"}, {"\u00e9": "x"}),
        (["a  1", "7"], {"a\u00a01": "x", "7.0": "y"}, {"a  1": "x", "7": "y"}),
        (["1.0", "1"], {"1.0": "x", "1": "y"}, {"1.0": "x", "1": "y"}),
        (["A/1", "B/1"], {"C:\\data\\A\\1.png": "x", "B\\1": "y"}, {"A/1": "x", "B/1": "y"}),
    ],
)
def test_names_fit_keys(keys: list[str], groups: dict[str, str], expected: dict[str, str]) -> None:
    assert match_facts(keys, facts(groups), SOURCE) == facts(expected)


@pytest.mark.parametrize(
    "keys, groups, match",
    [
        (["A/1", "B/1"], {"1": "x"}, r"groups\.csv: 1 can mean A/1 or B/1"),
        (["1"], {"A/1": "x", "B/1": "y"}, r"groups\.csv puts 1 into two groups"),
        (["a", "b"], {"c": "x"}, r"groups\.csv names no tile of the folder, but c;.* called a"),
        (["a"], {}, "names no tile of the folder, but nothing"),
        (["007"], {"7": "x"}, "Zeros at the beginning of a name are missing"),
    ],
)
def test_doubtful_names_are_errors(keys: list[str], groups: dict[str, str], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        match_facts(keys, facts(groups), SOURCE)
