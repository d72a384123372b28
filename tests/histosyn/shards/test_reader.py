from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tissue import blobs, pack_blobs

from histosyn.shards.reader import ShardReader
from hpc.errors import DatasetError


def test_what_is_read_may_be_written_to(tmp_path: Path) -> None:
    tile, labels = ShardReader(pack_blobs(tmp_path, count=1, size=32)).read(0, 0)
    assert tile.flags.writeable
    assert labels.flags.writeable
    assert np.array_equal(labels, blobs(0, 32)[1])


@pytest.mark.parametrize("place", [[0, 1 << 60], [1 << 61, 1 << 61], [1 << 40, 10]])
@pytest.mark.parametrize("part", ["tile", "label"])
def test_a_place_beyond_the_shard_names_shard_and_key(
    tmp_path: Path, place: list[int], part: str
) -> None:
    shards = pack_blobs(tmp_path, count=2, size=32)
    data = json.loads((shards / "dataset.json").read_text())
    data["shards"][0]["entries"][1][part] = place
    (shards / "dataset.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=r"shard-000000\.tar: tile-01.*ends too early"):
        ShardReader(shards).read(0, 1)


def test_a_place_of_something_else_names_shard_and_key(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=2, size=32)
    data = json.loads((shards / "dataset.json").read_text())
    entries = data["shards"][0]["entries"]
    entries[1]["label"] = entries[1]["tile"]
    entries[0]["tile"] = [0, 0]
    (shards / "dataset.json").write_text(json.dumps(data))
    reader = ShardReader(shards)
    with pytest.raises(DatasetError, match=r"shard-000000\.tar: tile-00 \(tile\) cannot be read"):
        reader.read(0, 0)
    with pytest.raises(DatasetError, match=r"shard-000000\.tar: tile-01 \(label map\) holds"):
        reader.read(0, 1)


def test_a_folder_in_place_of_a_shard_is_named(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=1, size=32)
    (shards / "shard-000000.tar").unlink()
    (shards / "shard-000000.tar" / "x").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"shard-000000\.tar: tile-00"):
        ShardReader(shards).read(0, 0)
