from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.shards.index import DatasetIndex, Entry, Shard, load_index
from hpc.errors import DatasetError, InputError, SchemaError

INDEX = DatasetIndex(
    schema=SCHEMA,
    tile_size=(32, 64),
    mpp=0.5,
    class_pixels=(1, 2, 3, 4),
    shards=(
        Shard(
            name="shard-000000.tar",
            sha256="0" * 64,
            entries=(
                Entry(key="a", tile=(512, 7), label=(1536, 9), group="P1"),
                Entry(key="b", tile=(2560, 7), label=(3584, 9)),
            ),
        ),
    ),
    made_by={"histosyn": "0"},
)


def saved(folder: Path) -> dict[str, Any]:
    INDEX.save(folder)
    return json.loads((folder / "dataset.json").read_text())


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    INDEX.save(tmp_path)
    assert load_index(tmp_path) == INDEX


def at(*path: str | int) -> Callable[[Any, Any], None]:
    """Puts a value where `path` leads, or removes what is there."""

    def put(data: Any, value: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        if value is REMOVED:
            del data[path[-1]]
        else:
            data[path[-1]] = value

    return put


REMOVED = object()
SHARD = ("shards", 0)
ENTRY = (*SHARD, "entries", 1)


@pytest.mark.parametrize(
    "place, value, match",
    [
        (at("tile_size"), REMOVED, "the file lacks 'tile_size'"),
        (at("tile_size"), [32], "tile_size is not 2 whole numbers from 1 on"),
        (at("tile_size"), [32, 0], "tile_size is not 2 whole numbers from 1 on"),
        (at("class_pixels"), [1, 2, 3], "class_pixels is not 4 whole numbers"),
        (at("class_pixels"), [1, 2, 3, True], "class_pixels is not 4 whole numbers"),
        (at("mpp"), "0.5", "mpp is '0.5'"),
        (at("mpp"), 0, "mpp is 0"),
        (at("mpp"), float("nan"), "mpp is nan"),
        (at("made_by"), "me", "made_by is 'me'"),
        (at("shards"), {}, "shards is not a list"),
        (at(*SHARD), 3, "a shard is not an object"),
        (at(*SHARD, "name"), "../x.tar", r"a shard is called '\.\./x\.tar'"),
        (at(*SHARD, "name"), "/etc/x.tar", "a shard is called '/etc/x.tar'"),
        (at(*SHARD, "name"), "..", r"a shard is called '\.\.'"),
        (at(*SHARD, "name"), "passwd", "a shard is called 'passwd'"),
        (at(*SHARD, "name"), "x\0.tar", "a shard is called"),
        (at(*SHARD, "name"), None, "a shard is called None"),
        (at(*SHARD, "sha256"), 5, r"shard-000000\.tar: sha256 is 5"),
        (at(*SHARD, "entries"), None, r"shard-000000\.tar: entries is not a list"),
        (at(*ENTRY, "key"), 5, r"shard-000000\.tar: the key of a sample is 5"),
        (at(*ENTRY, "group"), 5, "sample b: group is 5"),
        (at(*ENTRY, "tile"), ["a", 2], r"shard-000000\.tar, sample b: tile is not 2 whole"),
        (at(*ENTRY, "tile"), REMOVED, "sample b lacks 'tile'"),
        (at(*ENTRY, "label"), [-1, 2], "sample b: label is not 2 whole"),
        (at(*ENTRY, "label"), [1 << 70, 2], "sample b: label is not 2 whole"),
        (at(*ENTRY, "label"), [1.0, 2], "sample b: label is not 2 whole"),
    ],
)
def test_what_is_wrong_with_an_index_is_named(
    tmp_path: Path, place: Callable[[Any, Any], None], value: Any, match: str
) -> None:
    data = saved(tmp_path)
    place(data, value)
    (tmp_path / "dataset.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=match) as error:
        load_index(tmp_path)
    assert str(tmp_path / "dataset.json") in str(error.value)


@pytest.mark.parametrize(
    "text", ["5", "[]", "{}", "null", '{"format_version": 1}', "{", "[" * 9999]
)
def test_what_is_no_index_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        load_index(tmp_path)


def test_two_shards_of_a_name_another_format_and_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    data = saved(tmp_path)
    path.write_text(json.dumps(data | {"shards": data["shards"] * 2}))
    with pytest.raises(DatasetError, match="two shards have the same name"):
        load_index(tmp_path)
    path.write_text(json.dumps(data | {"format_version": 2}))
    with pytest.raises(DatasetError, match=r"dataset\.json has format 2, this histosyn reads 1"):
        load_index(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        load_index(tmp_path)


def test_a_wrong_schema_is_an_error_of_the_schema(tmp_path: Path) -> None:
    data = saved(tmp_path)
    data["schema"]["classes"][0]["color"] = 5
    (tmp_path / "dataset.json").write_text(json.dumps(data))
    with pytest.raises(SchemaError, match=r"dataset\.json: color = 5"):
        load_index(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLACES = [
    at(*path)
    for path in [
        *((key,) for key in ("schema", "tile_size", "mpp", "class_pixels", "shards", "made_by")),
        ("schema", "classes"), ("schema", "classes", 1), ("schema", "ignore"), ("schema", "name"),
        SHARD, *((*SHARD, key) for key in ("name", "sha256", "entries")),
        ENTRY, *((*ENTRY, key) for key in ("key", "tile", "label", "group")), (*ENTRY, "tile", 0),
    ]
]  # fmt: skip


@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_anywhere_it_is_an_index_or_an_error_for_the_user(
    tmp_path_factory: pytest.TempPathFactory, place: Callable[[Any, Any], None], value: Any
) -> None:
    folder = tmp_path_factory.mktemp("index")
    data = saved(folder)
    place(data, value)
    (folder / "dataset.json").write_text(json.dumps(data))
    try:
        index = load_index(folder)
    except InputError as error:
        assert "dataset.json" in str(error)
    else:
        hash(index.shards)
