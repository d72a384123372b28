"""Sound data sets, mutated in any way: the right samples, or one error that says what is wrong."""

from __future__ import annotations

import shutil
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue import SCHEMA, blobs, pack_blobs

from histosyn.shards.dataset import ensure_index, open_shards
from hpc.errors import DatasetError, InputError

SAMPLES, SIZE, BLOCK = 4, 16, 512
MOST_MEMORY = 64 << 20
PARTS = ("shard-000000.tar", "dataset.json", "samples.npy")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"), SAMPLES, SIZE, SAMPLES)


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Bits, bytes, blocks and cuts, up to three of them."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        block = slice(at // BLOCK * BLOCK, at // BLOCK * BLOCK + BLOCK)
        match draw(st.integers(0, 7)):
            case 0 | 1:
                changed[at : at + 1] = bytes([changed[at] ^ 1 << draw(st.integers(0, 7))])
            case 2:
                changed[at : at + 1] = draw(st.sampled_from([b"\0", b"9", b"\xff", b"-", b""]))
            case 3:
                del changed[at:]
            case 4:
                changed[block] = bytes(draw(st.integers(0, 60)) * BLOCK)
            case 5:
                changed[block] = changed[block] * draw(st.integers(0, 3))
            case 6:
                changed += draw(st.sampled_from([bytes(changed), bytes(40 * BLOCK), b"x" * 700]))
            case _:
                changed[block] = header(draw)
        if not changed:
            break
    return bytes(changed)


def header(draw: st.DrawFn) -> bytes:
    """A sound one, of what never was."""
    number = draw(st.integers(0, SAMPLES - 1))
    info = tarfile.TarInfo(draw(st.sampled_from([f"tile-{number:02d}.tile.png", "/x", "._x", ""])))
    info.size = draw(st.sampled_from([0, 1, 700, 1 << 33, 1 << 60, -1]))
    info.type = draw(st.sampled_from([b"0", b"x", b"g", b"L", b"K", b"S", b"2", b"5", b"Z"]))
    return info.tobuf(tarfile.GNU_FORMAT)[:BLOCK]


def read_all(shards: Path, schema: str | None) -> int:
    """Every sample that is read is the one of its key; returns how many there are."""
    try:
        ensure_index(shards, schema, leave_out_bad=True)
        reader = open_shards(shards, accept_left_out=True)
        rows = range(len(reader.index))
    except InputError:
        return 0
    read = 0
    for row in rows:
        shard, sample = reader.index.place(row)
        try:
            tile, labels = reader.read(shard, sample)
            key = reader.index.entry(shard, sample).key
        except DatasetError as error:
            assert "\n" not in str(error)
            continue
        right_tile, right_labels = blobs(int(key.removeprefix("tile-")), SIZE)
        assert np.array_equal(tile, right_tile)
        assert np.array_equal(labels, right_labels)
        read += 1
    return read


@settings(max_examples=40, derandomize=True)
@given(st.data())
@pytest.mark.parametrize("foreign", [True, False])
def test_mutated_shards_give_right_samples_or_errors(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, foreign: bool, data: st.DataObject
) -> None:
    shards = Path(shutil.copytree(sound, tmp_path_factory.mktemp("mutated") / "train"))
    name = "shard-000000.tar" if foreign else data.draw(st.sampled_from(PARTS))
    (shards / name).write_bytes(data.draw(mutations((shards / name).read_bytes())))
    if foreign:
        (shards / "dataset.json").unlink()
        (shards / "samples.npy").unlink()
    tracemalloc.start()
    assert read_all(shards, SCHEMA.name if foreign else None) <= SAMPLES
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    shutil.rmtree(shards.parent)
