"""Label maps in shards are synthesized as those in folders are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tissue import pack_blobs

from histosyn.shards.unpacking import unpack
from hpc.errors import InputError
from launch.label_folder import label_folder


def test_a_folder_of_label_maps_is_taken_as_it_is(tmp_path: Path) -> None:
    assert label_folder(tmp_path, tmp_path / "out").path == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_those_of_shards_are_written_beside_the_tiles(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 3, 32)
    for _ in range(2):  # as a second run does
        found = label_folder(shards, tmp_path / "tissue")
    assert found.path == tmp_path / "tissue-labels"
    unpack(shards, tmp_path / "plain", "labels")
    for path in (tmp_path / "plain").iterdir():
        assert (found.path / path.name).read_bytes() == path.read_bytes()


def test_label_maps_of_other_shards_do_not_mix_with_them(tmp_path: Path) -> None:
    label_folder(pack_blobs(tmp_path / "a", 3, 32), tmp_path / "tissue")
    fewer = pack_blobs(tmp_path / "b", 2, 32)
    with pytest.raises(InputError, match="has 1 more label maps than"):
        label_folder(fewer, tmp_path / "tissue")
