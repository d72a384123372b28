"""Manifests and marks from anywhere: the right record, or a sentence that names line and field."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.manifests.manifest import read_manifest, read_manifest_file, write_manifest
from histosyn.synthesis.from_manifest import repeated_records
from histosyn.synthesis.provenance import (
    Painted,
    Record,
    Resampled,
    entry_of,
    mark_of,
    tile_png_bytes,
)
from hpc.errors import InputError
from hpc.files import sha256_of_bytes

LABEL = b"a label map"
RECORD = Record(
    file="a.png",
    label="a.png",
    label_sha256=sha256_of_bytes(LABEL),
    seed=10**25,
    variant=1,
    model_sha256="m" * 64,
    painted=Painted(seeds=(1, 2), areas="areas/a.png", areas_sha256="b" * 64),
    resampled=Resampled(source_mpp=0.5, mpp=1),
)
ENTRY = entry_of(RECORD, "c" * 64)
ODD = [
    ("seed", "x"), ("seed", 1.5), ("variant", None), ("variant", 0), ("model_sha256", 5),
    ("precision", []), ("file", "\0"), ("file", "/etc/passwd"), ("label", "../a.png"),
    ("painted", 5), ("painted", {"seeds": [1], "areas": 5, "areas_sha256": 5}),
    ("painted", {"seeds": [1] * 300}), ("painted", {"seeds": [1], "areas": "../../x"}),
    ("resampled", {"source_mpp": 0, "mpp": 1}), ("resampled", {"source_mpp": "1", "mpp": 1}),
]  # fmt: skip


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.png").write_bytes(LABEL)
    return folder


def manifest(tmp_path, *lines):
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_record_comes_back_with_what_a_later_version_adds(tmp_path, labels):
    path = manifest(tmp_path, json.dumps(ENTRY | {"mood": {"good": [True]}}))

    assert repeated_records(path, labels, RECORD.model_sha256) == {"a.png": RECORD}
    assert read_manifest(tmp_path)["a.png"]["mood"] == {"good": [True]}


@pytest.mark.parametrize("field, value", ODD)
def test_a_wrong_field_is_named_before_anything_is_made(tmp_path, labels, field, value):
    path = manifest(tmp_path, json.dumps(ENTRY | {field: value}))

    with pytest.raises(InputError, match=rf"manifest\.jsonl.* is damaged \({field}.*copy it again|"
                       rf"manifest\.jsonl.* is damaged \({field}.*Copy the manifest"):  # fmt: skip
        repeated_records(path, labels, RECORD.model_sha256)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "[1]", "{", '{"file": 5}', "null", '{"seed": 1}', '{"file": "\\u0000"}']
)
def test_a_damaged_line_is_told_and_nothing_is_written(tmp_path, line):
    path = manifest(tmp_path, json.dumps(ENTRY), line, json.dumps(ENTRY | {"file": "b.png"}))
    before = path.read_bytes()

    with pytest.raises(InputError, match=r"manifest\.jsonl, line 2, is damaged .*delete it"):
        write_manifest(tmp_path, {})
    assert path.read_bytes() == before


def test_a_line_that_is_cut_short_is_told(tmp_path):
    """A manifest is written whole: nothing of ours leaves half of one."""
    path = manifest(tmp_path, json.dumps(ENTRY))
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(InputError, match="its last line is cut short"):
        read_manifest_file(path)


@given(
    st.sampled_from(sorted(RECORD.as_dict())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
)
def test_any_value_in_any_field_of_a_mark(field, value):
    data = RECORD.as_dict() | {field: value}
    tile = np.zeros((4, 4, 3), np.uint8)

    class Odd:
        def as_dict(self):
            return data

    found = mark_of(tile_png_bytes(tile, Odd()))
    assert found is None or (found == data and isinstance(found["file"], str))


@pytest.mark.parametrize("text", ["[1]", "5", "[" * 100_000, "{}", '{"file": "a.png"}'])
def test_an_odd_mark_is_none_of_ours(text, monkeypatch):
    monkeypatch.setattr("histosyn.synthesis.provenance.json.dumps", lambda *_, **__: text)
    assert mark_of(tile_png_bytes(np.zeros((4, 4, 3), np.uint8), RECORD)) is None
