from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import flip
from hypothesis import given
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.shards.index import DatasetIndex, ShardRecord
from histosyn.shards.index_file import load_index, write_index
from histosyn.shards.samples_table import Entry, Member
from hpc.errors import DatasetError, InputError, SchemaError
from hpc.records import Records

ENTRIES = (
    Entry(
        key="a",
        tile=Member(offset=512, size=7, crc32=5),
        label=Member(offset=1536, size=9, crc32=(1 << 32) - 1),
        group="P1",
        classes=(0, 3),
    ),
    Entry(
        key="größer",
        tile=Member(offset=1 << 40, size=7, crc32=0),
        label=Member(offset=3584, size=9, crc32=1),
        group=None,
        classes=(),
    ),
)


def record(name: str, entries: tuple[Entry, ...]) -> ShardRecord:
    return ShardRecord(
        name=name, sha256="0" * 64, size_bytes=10240, entries=entries, class_pixels=(1, 2, 3, 4)
    )


RECORDS = (
    record("shard-000000.tar", ENTRIES[:1]),
    record("shard-000001.tar", ()),
    record("shard-000002.tar", ENTRIES),
)


def write(folder: Path) -> DatasetIndex:
    return write_index(
        folder,
        schema=SCHEMA,
        tile_size=(32, 64),
        mpp=0.5,
        records=RECORDS,
        made_by={"histosyn": "0"},
    )


def saved(folder: Path) -> dict[str, Any]:
    write(folder)
    return json.loads((folder / "dataset.json").read_text())


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    written, read = write(tmp_path), load_index(tmp_path)
    assert read == written
    assert [list(read.entries(shard)) for shard in range(3)] == [
        list(ENTRIES[:1]), [], list(ENTRIES)
    ]  # fmt: skip
    assert [read.place(row) for row in range(len(read))] == [(0, 0), (2, 0), (2, 1)]
    assert read.class_pixels == (3, 6, 9, 12)
    assert read.class_samples == (2, 0, 0, 2)
    assert read.table.groups() == {"P1"}
    assert read.present(2).tolist() == [[True, False, False, True], [False] * 4]
    for shard in range(3):
        read.check_rows(shard)


def test_a_record_survives_a_journal() -> None:
    kind = Records(kind=ShardRecord, remedy="")
    again = kind.parse(json.dumps(RECORDS[2].as_dict()), "a note")
    assert again == RECORDS[2]


def test_the_table_is_mapped_and_not_carried_along(tmp_path: Path) -> None:
    index = write(tmp_path)
    assert isinstance(index.table.rows, np.memmap)
    copy = pickle.loads(pickle.dumps(index))
    assert copy.table._rows is None
    assert copy.entry(0, 0) == ENTRIES[0]


def test_anyone_can_read_the_table_with_numpy(tmp_path: Path) -> None:
    write(tmp_path)
    rows = np.load(tmp_path / "samples.npy")
    assert rows["key"].tolist() == [b"a", b"a", "größer".encode()]
    assert rows["label_crc32"].tolist() == [(1 << 32) - 1, (1 << 32) - 1, 1]


def test_a_flipped_byte_in_the_table_is_noticed_when_its_shard_is_used(tmp_path: Path) -> None:
    write(tmp_path)
    flip(tmp_path / "samples.npy", -1)
    index = load_index(tmp_path)
    index.check_rows(0)
    with pytest.raises(DatasetError, match=r"samples\.npy: the rows of shard-000002\.tar"):
        index.check_rows(2)


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "other", "pickle", "shorter"])
def test_a_table_that_is_something_else_is_named(tmp_path: Path, damage: str) -> None:
    write(tmp_path)
    path = tmp_path / "samples.npy"
    rows = np.load(path)
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "other":
        np.save(path, np.arange(3))
    elif damage == "pickle":
        np.save(path, np.array([{}, [], None], dtype=object), allow_pickle=True)
    else:
        np.save(path, rows[:-1])
    with pytest.raises(DatasetError, match=r"samples\.npy .*(missing or damaged|rows of another)"):
        load_index(tmp_path).entry(0, 0)


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


@pytest.mark.parametrize(
    "place, value, match",
    [
        (at("tile_size"), REMOVED, "it lacks tile_size"),
        (at("tile_size"), [32], "tile_size: expected a list of length 2"),
        (at("tile_size"), [32, 0], r"tile_size\[1\]: expected a whole number >= 1"),
        (at("class_pixels"), [1, 2, 3], "class_pixels is not 4 whole numbers"),
        (at("class_pixels"), [1, 2, 3, True], r"class_pixels\[3\]: expected a whole number"),
        (at("mpp"), "0.5", "mpp: expected a number or null, got a text"),
        (at("mpp"), 0, "mpp: expected a number > 0"),
        (at("mpp"), float("nan"), "mpp: expected a number > 0"),
        (at("made_by"), "me", "made_by: expected an object, got a text"),
        (at("shards"), {}, "shards: expected a list, got an object"),
        (at(*SHARD), 3, r"shards\[0\]: expected an object"),
        (at(*SHARD, "name"), "../x.tar", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), "/etc/x.tar", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), "..", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), "passwd", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), "x.tar\n", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), "x\0.tar", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "name"), None, r"shards\[0\]\.name: expected a text, got null"),
        (at(*SHARD, "sha256"), 5, r"shards\[0\]\.sha256: expected a text"),
        (at(*SHARD, "name"), "pipe:cat x.tar", r"shards\[0\]\.name: expected a name like shard"),
        (at(*SHARD, "size_bytes"), -1, r"shards\[0\]\.size_bytes: expected a whole number >= 0"),
        (at(*SHARD, "samples"), True, r"shards\[0\]\.samples: expected a whole number"),
        (at(*SHARD, "samples"), 1 << 70, r"shards\[0\]\.samples: expected a whole number <="),
        (at(*SHARD, "samples"), 2, "it promises 3 samples, its shards 4"),
        (at(*SHARD, "rows_crc32"), REMOVED, r"shards\[0\]: it lacks rows_crc32"),
        (at("samples"), 5, "it promises 5 samples, its shards 3"),
        (at("label_values"), "colors", "label_values: .*expected one of indices, colours"),
        (at("left_out"), [{"shard": "a", "key": 5, "cause": ""}], r"left_out\[0\]\.key: expected"),
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
    "text", ["5", "[]", "{}", "null", '{"format_version": 2}', "{", "[" * 9999]
)
def test_what_is_no_index_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        load_index(tmp_path)


def test_two_shards_of_a_name_another_format_and_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    data = saved(tmp_path)
    path.write_text(json.dumps(data | {"shards": data["shards"] * 2, "samples": 6}))
    with pytest.raises(DatasetError, match="two shards have the same name"):
        load_index(tmp_path)
    path.write_text(json.dumps(data | {"format_version": 1}))
    with pytest.raises(DatasetError, match=r"dataset\.json has format 1, this histosyn reads 2"):
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
        *((key,) for key in ("schema", "tile_size", "mpp", "class_pixels", "class_samples")),
        *((key,) for key in ("shards", "made_by", "label_values", "left_out", "samples")),
        ("schema", "classes"), ("schema", "classes", 1), ("schema", "ignore"), ("schema", "name"),
        SHARD, *((*SHARD, key) for key in ("name", "sha256", "size_bytes", "samples")),
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


def test_a_table_that_is_a_pipe_or_device_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path)
    table = tmp_path / "samples.npy"
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(DatasetError, match="It is a device, pipe or socket, not a file"):
        load_index(tmp_path).entry(0, 0)
    table.unlink()
    table.symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match="It is a device, pipe or socket, not a file"):
        load_index(tmp_path).entry(0, 0)
