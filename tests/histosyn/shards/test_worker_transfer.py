"""Batches come through whether or not shared memory has room for them."""

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from launching import environment
from tissue import pack_blobs

from histosyn.shards import worker_transfer
from histosyn.shards.batch import Batch
from histosyn.shards.dataset import open_shards
from histosyn.shards.stream import ShardStream
from histosyn.shards.worker_transfer import Piped, Receiver, send
from hpc.packed_integers import PackedIntegers


def batch():
    tiles = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    return Batch(
        number=5, tiles_NCHW=tiles, labels_NHW=tiles[:, 0].clone(),
        positions_N=torch.arange(2), keys=["a", "b"],
        tables=PackedIntegers(numbers=torch.arange(5).int(), sizes=(2, 3), plan=("a", 1)),
    )  # fmt: skip


def same(one, other):
    assert (one.number, one.keys, one.bad) == (other.number, other.keys, other.bad)
    for name in ("tiles_NCHW", "labels_NHW", "positions_N"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert torch.equal(mine, theirs) and mine.dtype == theirs.dtype
    assert one.tables.plan == other.tables.plan
    for mine, theirs in zip(one.tables.tensors(), other.tables.tensors(), strict=True):
        assert torch.equal(mine, theirs)


def test_without_workers_nothing_is_sent():
    given = batch()
    assert send(given) is given


def test_where_there_is_no_room_it_goes_through_a_pipe(monkeypatch, caplog):
    monkeypatch.setattr(worker_transfer, "get_worker_info", lambda: "a worker")
    shared = send(batch())
    assert isinstance(shared, Batch) and shared.tiles_NCHW.is_shared()
    assert shared.tables.numbers.is_shared()

    def no_room(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>")

    monkeypatch.setattr(torch.Tensor, "share_memory_", no_room)
    receive, piped = Receiver(), send(batch())
    assert isinstance(piped, Piped)
    for sent in (piped, shared, piped):
        same(receive(sent), batch())
    (record,) = [each for each in caplog.records if each.name == "histosyn"]
    assert "finds no room: shared memory (/dev/shm) has" in record.getMessage()
    assert "--shm-size" in record.getMessage()


DIGESTS = """
import hashlib, sys
from pathlib import Path
from itertools import islice
from histosyn.shards.dataset import open_shards
from histosyn.shards.stream import ShardStream
from hpc.errors import HistosynError

if __name__ == "__main__":
    stream = ShardStream(open_shards(Path(sys.argv[1])), global_batch=4, seed=0, workers=2)
    try:
        for batch in islice(stream.batches(), 6):
            print(hashlib.sha256(batch.tiles_NCHW.numpy().tobytes()).hexdigest())
    except HistosynError as error:
        print(error)
"""
SMALL = 'mount -t tmpfs -o size={size},nr_inodes={files} tmpfs /dev/shm && exec "$@"'


def with_shared_memory(size, files, command):
    """Run a command where /dev/shm is so large, and holds so many files."""
    own = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    script = ["sh", "-c", SMALL.format(size=size, files=files), "sh"]
    if subprocess.run([*own, *script, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace for this user")
    return subprocess.run(
        [*own, *script, *command], env=environment(), capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


def digests(shards, tmp_path, size, files=0):
    script = tmp_path / "digests.py"
    script.write_text(DIGESTS)
    done = with_shared_memory(size, files, [sys.executable, str(script), str(shards)])
    assert done.returncode == 0, done.stderr
    return done


def test_a_small_shared_memory_costs_no_batch(shards, tmp_path):
    """64 KiB: the semaphores find room, a batch of four tiles does not."""
    done = digests(shards, tmp_path, "64k")
    stream = ShardStream(open_shards(shards), global_batch=4, seed=0)
    expected = [
        hashlib.sha256(each.tiles_NCHW.numpy().tobytes()).hexdigest()
        for each, _ in zip(stream.batches(), range(6), strict=False)
    ]
    assert done.stdout.split() == expected
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_where_not_even_semaphores_find_room_it_is_told(shards, tmp_path):
    told = digests(shards, tmp_path, "64k", files=1).stdout
    assert "Worker processes cannot be started (No space left on device)" in told
    assert "shared memory (/dev/shm) has" in told
    assert "--data.workers 0" in told
