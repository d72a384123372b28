"""The door for records: the right record or one sentence, whatever a file holds."""

import json
import tracemalloc
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.errors import DamagedFileError, InputError
from hpc.json_toml import DEEPEST_NESTING, content_of, plain_json, plain_toml
from hpc.records import Count, FileName, NearFileName, Records, Seconds, Text


@dataclass(frozen=True, kw_only=True)
class Part:
    size: Count


@dataclass(frozen=True, kw_only=True)
class Thing:
    name: FileName
    count: Count
    kind: Literal["one", "other"] = "one"
    seconds: Seconds = 0.0
    note: Text | None = None
    parts: tuple[Part, ...] = ()


THINGS = Records(kind=Thing, remedy="Copy it again.")
SOUND = {"name": "a/b.png", "count": 3}


def read(tmp_path, content):
    path = tmp_path / "thing.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return THINGS.read(path)


def test_a_record_of_now_of_before_and_of_later(tmp_path):
    assert read(tmp_path, json.dumps(SOUND)) == Thing(name="a/b.png", count=3)
    later = SOUND | {"parts": [{"size": 1, "colour": "red"}], "more": [[None]], "seconds": 2}
    assert read(tmp_path, json.dumps(later)) == Thing(
        name="a/b.png", count=3, seconds=2.0, parts=(Part(size=1),)
    )


@pytest.mark.parametrize(
    "change, said",
    [
        ({"count": None}, "count: expected a whole number, got null"),
        ({"count": "3"}, "count: expected a whole number, got a text"),
        ({"count": 1.5}, "count: expected a whole number, got a number"),
        ({"count": True}, "count: expected a whole number, got true or false"),
        ({"count": -1}, "count: expected a whole number >= 0"),
        ({"count": 10**30}, "count: expected a whole number <= 2305843009213693952"),
        ({"seconds": 1e300}, "seconds: expected a number <= 1000000000000.0"),
        ({"kind": "third"}, "kind: invalid enum value 'third', expected one of one, other"),
        ({"note": "a\0b"}, "note: expected a text without NUL"),
        ({"name": "/etc/passwd"}, "name: expected the name of a file below its folder"),
        ({"name": "a/../../b"}, "name: expected the name of a file below its folder"),
        ({"name": "a\n/../b"}, "name: expected the name of a file below its folder"),
        ({"name": "a\0"}, "name: expected the name of a file below its folder"),
        ({"name": ""}, "name: expected the name of a file below its folder"),
        ({"parts": [{"size": 1}, {"size": "x"}]}, r"parts\[1\].size: expected a whole number"),
        ({"parts": [{}]}, r"parts\[0\]: it lacks size"),
        ({"parts": 5}, "parts: expected a list, got a whole number"),
    ],
)
def test_file_field_and_what_was_expected_are_named(tmp_path, change, said):
    with pytest.raises(DamagedFileError, match=rf"thing\.json is damaged \({said}.*Copy it again"):
        read(tmp_path, json.dumps(SOUND | change))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"name": "\xff"}', b"null", b"[1]", b"{} {}", b"[" * 100_000,
     b'{"a": ' * 100_000, b'["]",' * 100_000, b"9" * 100_000, b"1e400", b"\0", b"NaN"],
)  # fmt: skip
def test_what_is_no_record_is_one_sentence(tmp_path, content):
    with pytest.raises(DamagedFileError, match=r"thing\.json is damaged .*Copy it again"):
        read(tmp_path, content)


def test_brackets_in_names_do_not_count_as_nesting():
    many = [{"name": "[" * 7}] * 1000
    assert plain_json(json.dumps(many)) == many
    assert plain_json("[" * DEEPEST_NESTING + "]" * DEEPEST_NESTING)


def test_python_s_own_json_comes_back():
    """Names that are no UTF-8, and losses that are not finite."""
    for value in ["\udc80.png", 10**30, -0.0, {"1": [1e300]}]:
        assert plain_json(json.dumps(value)) == value
    assert plain_json("[NaN, -Infinity]", finite=False)[1] == float("-inf")
    with pytest.raises(ValueError, match="Infinity is no number here"):
        plain_json("[Infinity]")


def test_devices_and_files_without_end_are_not_read(tmp_path):
    (tmp_path / "thing.json").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a file"):
        THINGS.read(tmp_path / "thing.json")
    (tmp_path / "large").write_bytes(b" " * 100)
    with pytest.raises(ValueError, match="larger"):
        content_of(tmp_path / "large", 99)


def lines_of(tmp_path, content):
    path = tmp_path / "things.jsonl"
    path.write_bytes(content)
    return THINGS.read_lines(path)


def test_a_log_tells_what_is_damaged_and_what_a_kill_cut_short(tmp_path):
    line = json.dumps(SOUND).encode() + b"\n"
    assert lines_of(tmp_path, line * 3).records == [SOUND] * 3
    assert lines_of(tmp_path, line[:-1]).records == [SOUND]
    cut = lines_of(tmp_path, line * 2 + line[:9])
    assert (cut.records, cut.faults, cut.cut) == ([SOUND] * 2, (), 9)
    odd = lines_of(tmp_path, line + b"[1]\n" + line + line.replace(b"c", b"\xe3") + line)
    assert odd.records == [SOUND] * 3
    first, second = odd.faults
    assert "things.jsonl, line 2, is damaged (expected an object, got a list)" in first
    assert "line 4" in second
    with pytest.raises(DamagedFileError, match=r"line 2.* 1 more are damaged\. Copy it again"):
        THINGS.require_sound(odd)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["name", "count", "kind", "note", "parts", "x"]), plain))
def test_any_value_in_any_field(tmp_path_factory, change):
    folder = tmp_path_factory.mktemp("x")
    try:
        found = read(folder, json.dumps(SOUND | change))
    except DamagedFileError:
        return
    assert 0 <= found.count <= 1 << 61 and "\0" not in found.name
    assert isinstance(found.parts, tuple)


@given(st.data())
def test_any_damage(tmp_path_factory, data):
    whole = bytearray(json.dumps(SOUND | {"parts": [{"size": 5}], "note": "è"}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
    try:
        assert isinstance(read(tmp_path_factory.mktemp("x"), bytes(whole)), Thing)
    except DamagedFileError as error:
        assert "Copy it again." in str(error)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a = " + "[" * 100_000, "nested"),
        ("a." * 100_000 + "b = 1", "nested"),
        ("[" + '"a".' * 100_000 + "b]", "nested"),
        ("a = " + "{b = " * 5000, "nested"),
        ("a = 1" + "0" * 30, "64 bits"),
        ("a = [{b = 1" + "0" * 5000 + "}]", "limit"),
        ("a = \0", "line 1"),
        ("a = 1\na = 2", "overwrite"),
    ],
)
def test_toml_that_is_out_of_the_ordinary(text, said):
    with pytest.raises(ValueError, match=said):
        plain_toml(text)


@given(st.text(alphabet="ab.=[]{}\"'\n 1,"))
def test_any_toml(text):
    with suppress(ValueError):
        assert isinstance(plain_toml(text), dict)


def test_the_error_is_that_of_the_kind():
    asked = Records(kind=Thing, remedy="Give another.", error=InputError)
    with pytest.raises(InputError, match=r"the mark is damaged \(it lacks name\)\. Give another"):
        asked.parse("{}", "the mark")


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    file: NearFileName


@pytest.mark.parametrize("name", ["a.png", "a/b.png", "../rerolls/a.png"])
def test_a_file_may_lie_in_a_folder_beside(name):
    near = Records(kind=Neighbour, remedy="Copy it again.")
    assert near.checked({"file": name}, "it") == Neighbour(file=name)
    for away in (f"../../{name}", f"/{name}", f"{name}/../../x", "..", "../", ""):
        with pytest.raises(DamagedFileError, match=r"below its folder, or in one beside it"):
            near.checked({"file": away}, "it")


def test_a_small_file_takes_little_memory(tmp_path):
    """However large a file is allowed to be: under a limit of memory that would be an error."""
    (tmp_path / "small.jsonl").write_text("{}\n")
    tracemalloc.start()
    try:
        assert content_of(tmp_path / "small.jsonl", 4 << 30) == b"{}\n"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
