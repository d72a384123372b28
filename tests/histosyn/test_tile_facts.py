from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.tile_facts import TileFacts, match_facts, read_tile_facts
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
        ("", "no column 'tile', but nothing"),
        ("tile,slide\na,1\n", "no column 'patient', but tile, slide"),
        ("tile,patient\na.png,1\na.jpg,2\n", "puts a into two groups"),
        ("tile,patient\na,1\nb, \n", "line 3: patient is empty"),
        ("tile,patient\na\n", "line 2: patient is empty"),
        ("tile,patient\n,1\n", "line 2: tile is empty"),
        ("tile,patient,split\na,1,\n", "line 2: split is '', not train, val, test"),
        ("tile,patient,split\na,1,Train\n", "line 2: split is 'Train'"),
        ("tile,patient,mpp\na,1,0\n", "line 2: mpp is '0', not microns per pixel"),
        ("tile,patient,mpp\na,1,half\n", "mpp is 'half'"),
        ("tile,patient,mpp\na,1,nan\n", "mpp is 'nan'"),
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
    with pytest.raises(DatasetError, match=r"groups\.csv is no CSV in UTF-8"):
        read_tile_facts(path)


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
    ],
)
def test_doubtful_names_are_errors(keys: list[str], groups: dict[str, str], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        match_facts(keys, facts(groups), SOURCE)
