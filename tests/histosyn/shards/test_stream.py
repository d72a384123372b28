"""The stream's contract for healthy shards."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from itertools import islice
from pathlib import Path

import pytest
import torch
from tissue import pack_blobs

from histosyn.shards.dataset import open_shards
from histosyn.shards.index_file import load_index
from histosyn.shards.reader import ShardReader
from histosyn.shards.stream import Batch, ShardStream
from hpc.errors import ConfigError, DatasetError, InputError
from hpc.files import sha256_of_bytes
from hpc.topology import Topology

GLOBAL_BATCH = 6
SAMPLES = 16


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"), count=SAMPLES, size=32, samples_per_shard=5)


def take(
    shards: Path, number: int, start: int = 0, *, rank: int = 0, world: int = 1, workers: int = 0
) -> list[Batch]:
    topology = Topology(rank=rank, world_size=world)
    stream = ShardStream(
        open_shards(shards), global_batch=GLOBAL_BATCH, seed=7, topology=topology, workers=workers
    )
    return list(islice(stream.batches(start), number))


def assert_equal(ours: list[Batch], theirs: list[Batch]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.number, mine.keys) == (other.number, other.keys)
        assert torch.equal(mine.tiles_NCHW, other.tiles_NCHW)
        assert torch.equal(mine.labels_NHW, other.labels_NHW)


@pytest.mark.parametrize("world", [2, 3, 6])
def test_world_size_does_not_change_batches(shards: Path, world: int) -> None:
    whole = take(shards, 5)
    parts = [take(shards, 5, rank=rank, world=world) for rank in range(world)]
    for number, batch in enumerate(whole):
        of_ranks = [part[number] for part in parts]
        assert sum((part.keys for part in of_ranks), []) == batch.keys
        assert torch.equal(torch.cat([p.tiles_NCHW for p in of_ranks]), batch.tiles_NCHW)
        assert torch.equal(torch.cat([p.labels_NHW for p in of_ranks]), batch.labels_NHW)
        assert torch.cat([p.positions_N for p in of_ranks]).tolist() == list(range(GLOBAL_BATCH))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_batches(shards: Path, workers: int) -> None:
    assert_equal(take(shards, 5, workers=workers), take(shards, 5))


@pytest.mark.parametrize("start", [1, 2, 17])
def test_starting_anywhere_gives_what_would_have_come(shards: Path, start: int) -> None:
    assert_equal(take(shards, 3, start), take(shards, start + 3)[start:])


def test_starting_far_along_reads_only_what_it_needs(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = ShardReader.read
    monkeypatch.setattr(ShardReader, "read", lambda *args: reads.append(args[1:]) or read(*args))
    take(shards, 1, start=10**6)
    assert len(reads) == GLOBAL_BATCH


def test_every_sample_once_an_epoch_and_the_rest_is_carried_over(shards: Path) -> None:
    """16 samples, batches of 6: three epochs are exactly eight batches."""
    keys = [key for batch in take(shards, 8) for key in batch.keys]
    for epoch in range(3):
        assert len(set(keys[epoch * SAMPLES : (epoch + 1) * SAMPLES])) == SAMPLES


@pytest.mark.parametrize("augmented", [False, True])
def test_crops_whether_or_not_it_turns(shards: Path, augmented: bool) -> None:
    stream = ShardStream(open_shards(shards), global_batch=2, seed=0, crop=8, augmented=augmented)
    batch = next(stream.batches())
    assert batch.tiles_NCHW.shape == (2, 3, 8, 8)
    assert batch.labels_NHW.shape == (2, 8, 8)


def test_crop_larger_than_the_tiles_says_so(shards: Path) -> None:
    with pytest.raises(ConfigError, match="data.crop = 33 is larger than the packed tiles"):
        ShardStream(open_shards(shards), global_batch=2, seed=0, crop=33)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_loader_worker_is_the_same_error(tmp_path: Path, workers: int) -> None:
    shards = pack_blobs(tmp_path, count=4, size=32)
    (shards / "shard-000000.tar").unlink()
    stream = ShardStream(open_shards(shards), global_batch=2, seed=0, workers=workers)
    with pytest.raises(
        DatasetError, match=r"^[^\n]*shard-000000\.tar, [^\n]*cannot be opened[^\n]*$"
    ):
        next(stream.batches())


def test_uneven_share_is_an_error(shards: Path) -> None:
    with pytest.raises(InputError, match="6 items cannot be shared evenly by 4 processes"):
        take(shards, 1, world=4)


PLAIN_READER = """
import json, sys, webdataset
from hashlib import sha256
dataset = webdataset.WebDataset(sys.argv[1:], shardshuffle=False, empty_check=False)
print(json.dumps([[sample["__key__"], *(sha256(sample[part]).hexdigest()
                   for part in ("tile.png", "label.png"))] for sample in dataset]))
"""


def test_plain_webdataset_reads_our_shards(shards: Path) -> None:
    """In a process of its own, without any of our code."""
    urls = [str(path) for path in sorted(shards.glob("*.tar"))]
    run = subprocess.run(
        [sys.executable, "-c", PLAIN_READER, *urls], capture_output=True, text=True, check=True
    )
    index = load_index(shards)
    expected = [
        [
            entry.key,
            *(
                sha256_of_bytes(data[member.offset : member.offset + member.size])
                for member in (entry.tile, entry.label)
            ),
        ]
        for number, shard in enumerate(index.shards)
        for data in [(shards / shard.name).read_bytes()]
        for entry in index.entries(number)
    ]
    assert json.loads(run.stdout) == expected
    assert len(expected) == SAMPLES


def test_index_points_at_the_members(shards: Path) -> None:
    reader = open_shards(shards)
    shard = reader.index.shards[0]
    with tarfile.open(shards / shard.name) as tar:
        for entry in reader.index.entries(0):
            member = tar.getmember(f"{entry.key}.label.png")
            assert (member.offset_data, member.size) == (entry.label.offset, entry.label.size)


def test_missing_folder_and_missing_index_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data set: .*none does not exist"):
        open_shards(tmp_path / "none")
    with pytest.raises(DatasetError, match="holds no dataset.json"):
        open_shards(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        open_shards(tmp_path)
