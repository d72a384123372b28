from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from tissue import blobs, pack_blobs

from histosyn.shards.dataset import open_shards
from histosyn.shards.index_file import digest_of
from hpc.errors import SampleError


def test_what_is_read_may_be_written_to(tmp_path: Path) -> None:
    tile, labels = open_shards(pack_blobs(tmp_path, count=1, size=32)).read(0, 0)
    assert tile.flags.writeable
    assert labels.flags.writeable
    assert np.array_equal(labels, blobs(0, 32)[1])


def lie(shards: Path, row: int, **fields: int) -> None:
    """Change numbers of the index, and its own checksum with them."""
    table = shards / "samples.npy"
    rows = np.load(table)
    for name, value in fields.items():
        rows[name][row] = value
    np.save(table, rows)
    data = json.loads((shards / "dataset.json").read_text())
    data["shards"][0]["rows_crc32"] = zlib.crc32(rows.tobytes())
    (shards / "dataset.json").write_text(json.dumps(data | {"sha256": digest_of(data)}))


@pytest.mark.parametrize("place", [(0, 10), (1 << 60, 10), (1 << 40, (1 << 32) - 1), (-5, 10)])
@pytest.mark.parametrize("part", ["tile", "label"])
def test_a_place_beyond_the_shard_names_shard_and_key(
    tmp_path: Path, place: tuple[int, int], part: str
) -> None:
    shards = pack_blobs(tmp_path, count=2, size=32)
    lie(shards, 1, **{f"{part}_offset": place[0], f"{part}_size": place[1]})
    with pytest.raises(SampleError, match=r"shard-000000\.tar, tile-01: .*cut short, or"):
        open_shards(shards).read(0, 1)


def test_an_index_that_does_not_match_the_tar_names_shard_and_key(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=2, size=32)
    rows = np.load(shards / "samples.npy")
    lie(shards, 1, label_offset=rows["tile_offset"][1], label_size=rows["tile_size"][1])
    match = r"tile-01: the index and the tar do not match: 'tile-01\.tile\.png' .* 'tile-01\.label"
    with pytest.raises(SampleError, match=match):
        open_shards(shards).read(0, 1)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histosyn.shards.reader._MOST_OPEN_FILES", 2)
    reader = open_shards(pack_blobs(tmp_path, count=5, size=32, samples_per_shard=1))
    reader.read(0, 0)
    before = open_files()
    for shard in (0, 1, 2, 3, 4, 0):
        reader.read(shard, 0)
    assert open_files() == before + 1


def test_a_folder_in_place_of_a_shard_is_named(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=1, size=32)
    (shards / "shard-000000.tar").unlink()
    (shards / "shard-000000.tar" / "x").mkdir(parents=True)
    with pytest.raises(SampleError, match=r"shard-000000\.tar, tile-00"):
        open_shards(shards).read(0, 0)
