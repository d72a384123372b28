"""Files among shards that look like shards and are not read as such."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from pathlib import Path

import pytest
from tissue import SCHEMA, pack_blobs
from users import as_nobody

from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.inspection import inspect_shards
from histosyn.shards.unread_files import unread_files
from hpc.errors import DatasetError, SampleError

SECOND = "shard-000001.tar"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of four samples each, as another tool would have left them."""
    folder = pack_blobs(tmp_path, 8, 16, 4)
    (folder / "dataset.json").unlink()
    (folder / "samples.npy").unlink()
    return folder


@pytest.mark.parametrize(
    ("suffix", "compress", "command"),
    [
        (".tar.gz", gzip.compress, "gunzip"),
        (".tgz", gzip.compress, "gunzip"),
        (".TAR.GZ", gzip.compress, "gunzip"),
        (".tar.bz2", bz2.compress, "bunzip2"),
        (".tar.xz", lzma.compress, "unxz"),
        (".tar.zst", bytes, "unzstd"),
        (".tar.part", bytes, "unfinished copy"),
        (".tar.003", bytes, "unfinished copy or a piece"),
        (".TAR", bytes, "must end in .tar"),
    ],
)
def test_they_are_named_with_what_to_do(shards: Path, suffix: str, compress, command: str) -> None:
    plain = shards / SECOND
    other = plain.with_name(f"shard-000001{suffix}")
    other.write_bytes(compress(plain.read_bytes()))
    plain.unlink()
    for _ in range(2):  # without an index, and with one
        with pytest.raises(DatasetError, match=rf"{other.name} looks like a shard.*{command}"):
            ensure_index(shards, SCHEMA.name)
        inspection = inspect_shards(shards, schema=SCHEMA.name)
        assert [fault.shard for fault in inspection.faults["train"]] == [other.name]
        thorough = inspect_shards(shards, thorough=True)
        assert command in thorough.faults["train"][0].cause
    assert len(open_shards(shards).index) == 4


def test_a_folder_of_compressed_shards_only_says_so(shards: Path) -> None:
    for path in shards.glob("*.tar"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for look in (ensure_index, inspect_shards):
        with pytest.raises(DatasetError, match=r"gunzip\) \(2 such files in all\)"):
            look(shards, schema=SCHEMA.name)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_that_is_called_tar_is_known_by_its_bytes(shards: Path, compress) -> None:
    (shards / SECOND).write_bytes(compress((shards / SECOND).read_bytes()))
    with pytest.raises(SampleError, match="is no plain tar but compressed by .*decompress it"):
        ensure_index(shards, SCHEMA.name)


def test_what_else_lies_there_is_nobodys_business(shards: Path) -> None:
    for name in ("README.md", "shard-000000.tar.md5", "shard-000000.tar.idx", ".x.tar.gz", "a.zip"):
        (shards / name).write_bytes(b"")
    # Whoever unpacks may keep the original.
    (shards / "shard-000000.tar.gz").write_bytes(b"")
    assert unread_files(shards) == []
    ensure_index(shards, SCHEMA.name)


def test_a_folder_called_like_a_shard_is_named(shards: Path) -> None:
    (shards / "x.tar").mkdir()
    assert [(file.name, file.cause) for file in unread_files(shards)] == [("x.tar", "a folder")]


def test_a_part_of_compressed_shards_is_a_part(shards: Path) -> None:
    """And what lies beside the parts is none."""
    (shards.parent / "backup.tar.gz").write_bytes(b"")
    (shards.parent / "val").mkdir()
    (shards.parent / "val" / "x.tar.gz").write_bytes(b"")
    ensure_index(shards, SCHEMA.name)
    with pytest.raises(DatasetError, match=r"val/x\.tar\.gz looks like a shard"):
        inspect_shards(shards.parent)
    shutil.rmtree(shards.parent / "val")
    assert [part.name for part in inspect_shards(shards.parent).parts] == ["train"]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir(mode=0)
    match = "cannot be searched for shards"
    with as_nobody(tmp_path), pytest.raises(DatasetError, match=match):
        unread_files(tmp_path / "x")
