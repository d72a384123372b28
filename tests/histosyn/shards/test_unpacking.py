"""Shards back to folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from tissue import SCHEMA, pack_blobs, write_folders

from histosyn.packing.pack import PackConfig, pack
from histosyn.shards.dataset import open_shards
from histosyn.shards.unpacking import unpack
from hpc.errors import DatasetError, InputError


def pack_patients(root: Path) -> Path:
    tiles, labels = write_folders(root / "source", count=6, size=32)
    table = root / "patients.csv"
    names = [path.name for path in sorted(tiles.iterdir())]
    table.write_text(
        "tile,patient\n" + "".join(f"{name},p{i % 3}\n" for i, name in enumerate(names))
    )
    config = PackConfig(groups=table, source_mpp=0.5, samples_per_shard=4)
    pack(tiles, labels, root / "packed", SCHEMA, config)
    return root / "packed" / "train"


def test_what_is_unpacked_packs_to_the_same_samples(tmp_path: Path) -> None:
    shards, out = pack_patients(tmp_path), tmp_path / "out"
    assert unpack(shards, out).made == 12
    again = PackConfig(groups=out / "samples.csv", samples_per_shard=4)
    pack(out / "tiles", out / "labels", tmp_path / "again", SCHEMA, again)
    before, after = open_shards(shards).index, open_shards(tmp_path / "again" / "train").index
    for index in (before, after):
        assert index.mpp == 0.5
        assert index.table.groups() == {"p0", "p1", "p2"}
    assert [(e.key, e.group, e.label.crc32) for e in before.entries(0)] == [
        (e.key, e.group, e.label.crc32) for e in after.entries(0)
    ]
    assert 'name = "prostate-3"' in (out / "schema.toml").read_text()


def test_a_second_run_writes_what_is_missing(tmp_path: Path) -> None:
    shards, out = pack_blobs(tmp_path, 4, 32), tmp_path / "out"
    unpack(shards, out)
    (out / "tiles" / "tile-02.png").unlink()
    done = unpack(shards, out)
    assert (done.made, done.present) == (1, 7)


def test_a_file_of_another_content_is_not_replaced(tmp_path: Path) -> None:
    shards, out = pack_blobs(tmp_path, 4, 32), tmp_path / "out"
    out.mkdir()
    (out / "tile-01.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="tile-01.png is there already"):
        unpack(shards, out, "labels")
    assert (out / "tile-01.png").read_bytes() == b"mine"


def test_one_of_both_goes_straight_into_out(tmp_path: Path) -> None:
    unpack(pack_blobs(tmp_path, 2, 32), tmp_path / "out", "labels")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "tile-00.png",
        "tile-01.png",
    ]


def test_damage_is_told(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 4, 32)
    path = shards / "shard-000000.tar"
    data = bytearray(path.read_bytes())
    entry = open_shards(shards).index.entry(0, 1)
    data[entry.tile.offset + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=entry.key):
        unpack(shards, tmp_path / "out")
