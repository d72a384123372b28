"""The stream's contract for healthy shards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tissue import pack_blobs

from histosyn.shards.batch import Batch
from histosyn.shards.dataset import open_shards
from histosyn.shards.index_file import load_index
from histosyn.shards.reader import ShardReader
from histosyn.shards.stream import ShardStream
from hpc.errors import ConfigError, DatasetError, HistosynError, InputError, SampleError
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


def children() -> set[int]:
    """Loader workers: they descend from this process by way of the fork server."""
    me = os.getpid()
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, rest = status.read_text().split(" ", 1)
            parents[int(pid)] = int(rest.rpartition(")")[2].split()[1])

    def descends(pid: int) -> bool:
        return pid == me or (pid in parents and descends(parents[pid]))

    return {pid for pid in parents if pid != me and descends(pid)}


def test_a_killed_worker_is_an_error_that_names_it(shards: Path) -> None:
    before = children()
    stream = ShardStream(open_shards(shards), global_batch=2, seed=0, workers=1)
    batches = stream.batches()
    next(batches)
    # The fork server and multiprocessing's own helper started before the worker did.
    worker = max(children() - before)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(HistosynError, match=rf"loader worker was killed \(process {worker}, exit"):
        for _ in range(10):
            next(batches)


def test_a_shard_that_vanishes_while_it_is_read_names_itself(tmp_path: Path) -> None:
    """What is open can still be read; the next time it is needed, the error says what is gone."""
    shards = pack_blobs(tmp_path, count=40, size=32, samples_per_shard=1)
    stream = ShardStream(open_shards(shards), global_batch=4, seed=0)
    batches = stream.batches()
    next(batches)
    for path in shards.glob("*.tar"):
        path.unlink()
    with pytest.raises(SampleError, match=r"shard-0000\d\d\.tar, tile-\d\d: the shard cannot be"):
        for _ in range(10):
            next(batches)


READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from histosyn.shards.dataset import open_shards
from hpc.errors import SampleError
shards = Path(sys.argv[1])
reader = open_shards(shards)
reader.read(0, 0)
if os.getuid() == 0:
    # Into the folders, which pytest has closed, but not into the shard.
    for folder in shards.parents:
        folder.chmod(folder.stat().st_mode | 0o055)
    os.setgid(65534)
    os.setuid(65534)
try:
    reader.read(1, 0)
except SampleError as error:
    print(error)
"""


def test_a_shard_without_permission_names_itself(tmp_path: Path) -> None:
    """As another user if this one may read everything."""
    shards = pack_blobs(tmp_path, count=2, size=32, samples_per_shard=1)
    (shards / "shard-000001.tar").chmod(0)
    run = subprocess.run(
        [sys.executable, "-c", READ_AS_NOBODY, str(shards)], capture_output=True, text=True
    )
    assert "shard-000001.tar, tile-01: the shard cannot be opened (Permission" in run.stdout
    (shards / "shard-000001.tar").chmod(0o644)
    run = subprocess.run(
        [sys.executable, "-c", READ_AS_NOBODY, str(shards)], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


HELD_BY_AN_ERROR = """
import sys
from pathlib import Path
from histosyn.shards.dataset import open_shards
from histosyn.shards.stream import ShardStream
if __name__ == "__main__":
    batches = ShardStream(open_shards(Path(sys.argv[1])), global_batch=2, seed=0, workers=2)
    sys.kept = batches.batches()
    next(sys.kept)
    print("done", flush=True)
"""


def test_a_process_ends_although_somebody_holds_its_batches(shards: Path, tmp_path: Path) -> None:
    """An error's traceback, for instance. Workers hear no signals, and Python waits for them."""
    script = tmp_path / "script.py"
    script.write_text(HELD_BY_AN_ERROR)
    run = subprocess.run(
        [sys.executable, str(script), str(shards)], capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr


def test_little_is_read_ahead(shards: Path, tmp_path: Path) -> None:
    """A worker has two batches ready, however slow the training is: memory is bounded."""
    reader = open_shards(shards)
    noted = tmp_path / "noted"
    stream = ShardStream(_Noting(reader, noted), global_batch=2, seed=0, workers=2)
    batches = stream.batches()
    next(batches)
    deadline = time.monotonic() + 60
    while reads(noted) < 2 * 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    assert reads(noted) == 2 * 5  # the one delivered, and two for each of two workers


class _Noting(ShardReader):
    """Notes each read in a file, as workers are other processes."""

    def __init__(self, reader: ShardReader, noted: Path) -> None:
        super().__init__(reader.index, *reader.folders)
        self.noted = noted

    def read(self, shard: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
        with self.noted.open("a") as file:
            file.write(".")
        return super().read(shard, sample)


def reads(noted: Path) -> int:
    return len(noted.read_text()) if noted.exists() else 0


def test_shards_for_are_those_that_are_read(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, count=40, size=32, samples_per_shard=2)
    stream = ShardStream(open_shards(shards), global_batch=4, seed=3)
    for first, last in ((0, 1), (0, 4), (3, 9), (9, 12), (0, 30)):
        places = [stream.order.sample_at(position) for position in range(4 * first, 4 * last)]
        needed = stream.shards_for(first, last)
        assert {place.shard for place in places} <= needed
        assert len(needed) <= 8 * (2 + (last - first) * 4 // 16)
    assert stream.shards_for(5, 5) == set()


@pytest.mark.parametrize("workers", [0, 1])
def test_rare_classes_and_jitter_do_not_depend_on_processes(shards: Path, workers: int) -> None:
    def take_all(rank: int, world: int, workers: int = 0) -> list[Batch]:
        stream = ShardStream(
            open_shards(shards), global_batch=4, seed=1, stain_jitter=0.1,
            rare_class_threshold=1.0, topology=Topology(rank=rank, world_size=world),
            workers=workers,
        )  # fmt: skip
        return list(islice(stream.batches(3), 4))

    whole, *halves = take_all(0, 1, workers), take_all(0, 2), take_all(1, 2)
    for number, batch in enumerate(whole):
        tiles = torch.cat([half[number].tiles_NCHW for half in halves])
        assert torch.equal(tiles, batch.tiles_NCHW)
