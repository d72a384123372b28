from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from tissue import SCHEMA, blobs

from histosyn.labels.label_map import schema_from_dict
from histosyn.sources.files import read_source_labels, read_source_tile
from hpc.errors import DatasetError, HistosynError, LabelError

TILE, LABELS = blobs(0, 16)


def write_mat(path: Path, **variables: object) -> Path:
    savemat(path, variables, do_compression=True)
    return path


def test_images_are_read_as_ever(tmp_path: Path) -> None:
    Image.fromarray(TILE).save(tmp_path / "tile.PNG")
    Image.fromarray(LABELS).save(tmp_path / "labels.png")
    assert np.array_equal(read_source_tile(tmp_path / "tile.PNG"), TILE)
    assert np.array_equal(read_source_labels(tmp_path / "labels.png", SCHEMA), LABELS)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_pairs_of_the_original(tmp_path: Path, kind: type) -> None:
    tile = read_source_tile(write_mat(tmp_path / "t.MAT", xx=TILE, other="text"))
    assert np.array_equal(tile, TILE)
    assert tile.flags.c_contiguous
    labels = read_source_labels(write_mat(tmp_path / "l.mat", rr=LABELS.astype(kind)), SCHEMA)
    assert np.array_equal(labels, LABELS)
    assert (labels.dtype, labels.flags.c_contiguous) == (np.uint8, True)


def test_values_of_matlab_files_stand_for_what_the_schema_says(tmp_path: Path) -> None:
    schema = schema_from_dict(SCHEMA.as_dict() | {"ignore": 0}, "x")
    path = write_mat(tmp_path / "l.mat", rr=[[0, 1, 4]])
    assert read_source_labels(path, schema).tolist() == [[255, 0, 3]]
    with pytest.raises(LabelError, match=r"value 5 .*values in files are 0 to 4"):
        read_source_labels(write_mat(tmp_path / "m.mat", rr=[[0, 5]]), schema)


def test_logical_label_maps(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "l.mat", rr=LABELS > 1)
    assert np.array_equal(read_source_labels(path, SCHEMA), LABELS > 1)


@pytest.mark.parametrize(
    "variables, match",
    [
        ({"he": TILE}, r"x\.mat has no variable 'xx', but he\. Tiles are read from xx"),
        ({}, "has no variable 'xx', but nothing"),
        ({"xx": TILE.astype(float)}, "xx is float64 of 16x16x3, a tile must be uint8"),
        ({"xx": LABELS}, "xx is uint8 of 16x16, a tile must be"),
        ({"xx": TILE[..., :2]}, "xx is uint8 of 16x16x2"),
        ({"xx": np.zeros((4, 4, 3, 2), np.uint8)}, "xx is uint8 of 4x4x3x2"),
        ({"xx": np.zeros((0, 4, 3), np.uint8)}, "xx claims to be 0x4x3"),
        ({"xx": "text"}, "xx is no array of numbers"),
        ({"xx": {"a": 1}}, "xx is no array of numbers"),
    ],
)
def test_what_is_no_tile(tmp_path: Path, variables: dict[str, object], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_source_tile(write_mat(tmp_path / "x.mat", **variables))


@pytest.mark.parametrize(
    "labels, match",
    [
        (LABELS + 0.5, r"x\.mat: rr holds [0-3]\.5 \(256 pixels like it\)"),
        (LABELS.astype(np.int16) - 9, "rr holds -[6-9]"),
        (LABELS.astype(np.int16) + 300, "rr holds 30[0-3]"),
        (np.full((4, 4), np.nan), r"rr holds nan \(16 pixels"),
        (np.full((4, 4), 7.0), r"x\.mat: value 7 \(16 pixels\) is outside schema prostate-3"),
    ],
)
def test_what_is_no_class(tmp_path: Path, labels: np.ndarray, match: str) -> None:
    with pytest.raises(LabelError, match=match):
        read_source_labels(write_mat(tmp_path / "x.mat", rr=labels), SCHEMA)


def test_what_is_no_label_map(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="uint8 of 16x16x3, a label map must be numbers of"):
        read_source_labels(write_mat(tmp_path / "x.mat", rr=TILE), SCHEMA)
    with pytest.raises(DatasetError, match="rr is no array of numbers"):
        read_source_labels(write_mat(tmp_path / "x.mat", rr=LABELS * 1j), SCHEMA)


def test_files_of_matlab_7_3_say_how_to_save_them(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "x.mat").write_bytes(header.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DatasetError, match=r"x\.mat is a MATLAB 7\.3 \(HDF5\) file"):
        read_source_tile(tmp_path / "x.mat")


def test_an_absurd_size_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"xx": TILE})
    data = path.read_bytes()
    shape = np.array(TILE.shape, np.int32).tobytes()
    assert data.count(shape) == 1
    path.write_bytes(data.replace(shape, np.array([60_000, 60_000, 3], np.int32).tobytes()))
    with pytest.raises(DatasetError, match=r"x\.mat: xx claims to be 60000x60000x3"):
        read_source_tile(path)


def test_missing_empty_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.mat does not exist"):
        read_source_tile(tmp_path / "gone.mat")
    for content in (b"", b"no matlab file at all" * 20):
        (tmp_path / "x.mat").write_bytes(content)
        with pytest.raises(DatasetError, match=r"x\.mat cannot be read as a MATLAB file"):
            read_source_tile(tmp_path / "x.mat")


@pytest.mark.parametrize("compressed", [True, False])
def test_flipped_bytes_and_cut_files_are_errors_or_numbers(
    tmp_path: Path, compressed: bool
) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"rr": LABELS.astype(float)[:4]}, do_compression=compressed)
    data = path.read_bytes()
    flipped = (data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :] for i in range(len(data)))
    for changed in (*flipped, *(data[:cut] for cut in range(0, len(data), 7))):
        path.write_bytes(changed)
        try:
            assert read_source_labels(path, SCHEMA).ndim == 2
        except HistosynError as error:
            assert "x.mat" in str(error)
