"""Digests follow names and bytes alone; manifests tell which models and seeds made the tiles."""

import hashlib
import json
import shutil

import pytest
from tissue import pack_blobs

from eval.features.content import content_of_file, content_of_folder, content_of_shards
from hpc.errors import DatasetError, InputError
from hpc.files import sha256_of_file

FILES = {"b.png": b"one", "a/z.png": b"two", "a.png": b"three"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "tiles"
    for name, data in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


def content(folder):
    return content_of_folder(folder, sorted(folder.rglob("*.png")))


def write_manifest(folder, *entries):
    lines = [json.dumps(entry) for entry in entries]
    (folder / "manifest.jsonl").write_text("".join(line + "\n" for line in lines))


def test_the_digest_is_that_of_sorted_lines_of_sha256sum(folder):
    lines = "".join(
        f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n" for name in sorted(FILES)
    )

    assert content(folder).sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_a_copy_elsewhere_has_the_same_digest(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")

    assert content(tmp_path / "copy") == content(folder)


def rename(folder):
    (folder / "b.png").rename(folder / "c.png")


def alter(folder):
    (folder / "b.png").write_bytes(b"onE")


def remove(folder):
    (folder / "b.png").unlink()


def exchange(folder):
    (folder / "b.png").write_bytes(FILES["a.png"])
    (folder / "a.png").write_bytes(FILES["b.png"])


@pytest.mark.parametrize("change", [rename, alter, remove, exchange])
def test_any_change_changes_the_digest(folder, change):
    before = content(folder)
    change(folder)

    assert content(folder).sha256 != before.sha256


def test_without_a_manifest_nothing_is_recorded(folder):
    found = content(folder)

    assert (found.recorded, found.model_sha256, found.seeds) == (0, (), ())


def test_models_and_seeds_are_those_of_the_tiles_that_are_there(folder):
    without = content(folder)
    write_manifest(
        folder,
        {"file": "b.png", "model_sha256": "m2", "seed": 7},
        {"file": "a/z.png", "model_sha256": "m1", "seed": 7},
        {"file": "gone.png", "model_sha256": "m3", "seed": 8},
    )

    found = content(folder)

    assert found.recorded == 2
    assert found.model_sha256 == ("m1", "m2")
    assert found.seeds == (7,)
    assert found.sha256 == without.sha256


def test_a_damaged_manifest_is_an_error(folder):
    (folder / "manifest.jsonl").write_text("{")

    with pytest.raises(InputError, match=r"manifest\.jsonl is damaged"):
        content(folder)


def test_a_file_that_went_away_is_named(folder):
    with pytest.raises(DatasetError, match=r"gone\.png cannot be read"):
        content_of_folder(folder, [folder / "gone.png"])


def test_shards_and_files_are_known_by_their_bytes(tmp_path):
    shards = pack_blobs(tmp_path, count=2, size=32)

    index = shards / "dataset.json"
    assert content_of_shards(shards).sha256 == sha256_of_file(index)
    assert content_of_file(index).sha256 == sha256_of_file(index)
