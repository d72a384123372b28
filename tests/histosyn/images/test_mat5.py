"""MATLAB files that claim much: no more of them is read than what is asked for."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from tissue import SCHEMA

from histosyn.images import mat5
from histosyn.sources.files import read_source_labels, read_source_tile
from hpc.errors import DatasetError

TILE = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_variable_that_nobody_asks_for_is_not_read(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"aa": np.zeros((32 << 17, 1)), "xx": TILE}, do_compression=compressed)
    assert peak_bytes(lambda: np.testing.assert_array_equal(read_source_tile(path), TILE)) < 4 << 20


def test_a_tile_is_refused_by_what_it_claims_to_be_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"xx": np.zeros((2048, 2048)), "rr": TILE}, do_compression=True)

    def refused() -> None:
        with pytest.raises(DatasetError, match="xx is float64 of 2048x2048, a tile must be uint8"):
            read_source_tile(path)

    assert peak_bytes(refused) < 4 << 20


def test_a_compressed_variable_with_more_than_its_shape_is_not_inflated(tmp_path: Path) -> None:
    inner = struct.pack("<4I", 6, 8, 9, 0) + struct.pack("<2I2i", 5, 8, 4, 4)
    inner += struct.pack("<HH4s", 1, 2, b"rr") + struct.pack("<2I", 2, 40 << 20) + bytes(40 << 20)
    packed = zlib.compress(struct.pack("<2I", 14, len(inner)) + inner)
    path = tmp_path / "x.mat"
    path.write_bytes(HEADER + struct.pack("<2I", 15, len(packed)) + packed)

    def refused() -> None:
        with pytest.raises(DatasetError, match="rr is larger than its shape"):
            read_source_labels(path, SCHEMA)

    inner = packed = b""
    assert peak_bytes(refused) < 4 << 20


def test_a_file_of_a_great_many_variables_is_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(mat5, "_MOST_VARIABLES", 3)
    path = tmp_path / "x.mat"
    savemat(path, {f"v{n}": n for n in range(4)})
    with pytest.raises(DatasetError, match="more than 3 variables"):
        read_source_tile(path)


def test_a_device_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.mat").symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match="device"):
        read_source_tile(tmp_path / "x.mat")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.mat")
    with pytest.raises(DatasetError, match="pipe"):
        read_source_tile(tmp_path / "x.mat")
