"""The door for arrays: claims are looked at first, and only what is asked for is unpacked."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from hpc import numpy_files
from hpc.numpy_files import READING_ERRORS, map_npy, open_npz, read_header, write_npz

ANY = st.sampled_from(["<f4", ">f8", "<i8", "u1", "?", "<U3", "S2"]).map(np.dtype)


def npy(array):
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def header_of(shape, descr="<f8", version=1):
    data = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    getattr(np.lib.format, f"write_array_header_{version}_0")(data, fields)
    return data.getvalue()


def read(path, name, most=numpy_files.MAX_ARRAY_BYTES):
    with open_npz(path) as file:
        return file.read(name, most)


@given(arrays_of.arrays(ANY, arrays_of.array_shapes(min_dims=0, min_side=0)))
@settings(max_examples=30, deadline=None)
def test_what_was_written_is_read(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    for compressed in (False, True):
        write_npz(path, {"one": array, "text": "é", "none": ""}, compressed=compressed)
        with open_npz(path) as file:
            found = file.read("one")
            assert str(file.read("text")), str(file.read("none")) == ("é", "")
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        np.testing.assert_array_equal(np.load(path)["one"], array)


def test_arrays_in_the_order_of_fortran_and_files_of_numpy_are_read(tmp_path):
    table = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.savez(tmp_path / "a.npz", table=table)
    np.testing.assert_array_equal(read(tmp_path / "a.npz", "table"), table)
    assert "sha256_of_arrays" not in np.load(tmp_path / "a.npz")


def test_an_array_that_nobody_asks_for_is_not_unpacked(tmp_path):
    big = header_of((50 << 17,)) + bytes(50 << 20)
    path = zipped(tmp_path / "a.npz", [("mu.npy", npy(np.ones(8))), ("zz.npy", big)])
    tracemalloc.start()
    assert read(path, "mu").sum() == 8
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_what_is_asked_for_must_not_grow_beyond_what_numbers_do(tmp_path):
    big = header_of((80 << 17,)) + bytes(80 << 20)
    path = zipped(tmp_path / "a.npz", [("mu.npy", big)])
    with pytest.raises(ValueError, match="mu would grow [0-9]+fold"):
        read(path, "mu")
    with pytest.raises(ValueError, match=r"mu claims 83886080 bytes .* at most 1048576 are expect"):
        read(path, "mu", numpy_files.SMALL_BYTES)


def test_the_limit_is_a_setting(tmp_path, monkeypatch):
    write_npz(tmp_path / "a.npz", {"mu": np.zeros(100)})
    monkeypatch.setattr(numpy_files, "MAX_ARRAY_BYTES", 799)
    with pytest.raises(ValueError, match="at most 799 are read; HISTOSYN_MAX_ARRAY_BYTES raises"):
        read(tmp_path / "a.npz", "mu", 799)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (header_of((1 << 50,)), "claims the shape"),
        (header_of((1 << 40, 1 << 40)), "claims"),
        (header_of((-1,)), "claims the shape"),
        (header_of((4,)) + bytes(8), "has .* bytes and claims"),
        (header_of((1,)) + bytes(16), "has .* bytes and claims"),
        (header_of((2,), "|O") + bytes(16), "pickled: refused"),
        (header_of((2,), "|S2000000000") + bytes(16), "claims 4000000000 bytes"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{", "its header claims 2147483647 bytes"),
        (b"\x93NUMPY\x01\x00\xe8\x03" + b"(" * 1000, "."),
        (b"\x93NUMPY\x09\x00", "no array of numpy's format"),
        (b"", "no array of numpy's format"),
    ],
)
def test_headers_that_lie_are_told(tmp_path, content, told):
    path = zipped(tmp_path / "a.npz", [("mu.npy", content)])
    with pytest.raises(READING_ERRORS, match=told):
        read(path, "mu")


def test_each_array_has_its_sha256(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, {"mu": np.arange(3.0), "n": 5})
    sound = np.load(path)
    members = [(f"{name}.npy", npy(sound[name])) for name in sound.files]
    changed = [(n, npy(np.arange(3.0) + 1) if n == "mu.npy" else c) for n, c in members]
    with pytest.raises(ValueError, match="mu has not the sha256"):
        read(zipped(path, changed), "mu")
    with pytest.raises(ValueError, match="it lacks n"):
        read(zipped(path, [item for item in members if item[0] != "n.npy"]), "mu")
    for record in (json.dumps([1]), "{"):
        broken = [(n, npy(np.asarray(record)) if n.startswith("sha") else c) for n, c in members]
        with pytest.raises(ValueError):
            read(zipped(path, broken), "mu")


def test_a_table_that_is_mapped_is_as_long_as_it_claims(tmp_path):
    rows = np.arange(20).reshape(4, 5)
    np.save(tmp_path / "a.npy", rows)
    np.testing.assert_array_equal(map_npy(tmp_path / "a.npy"), rows)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="ends before its 160 bytes"):
        map_npy(tmp_path / "a.npy")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="device"):
        map_npy(tmp_path / "zero.npy")


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_header_or_an_error(data):
    for start in (b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"):
        try:
            header = read_header(io.BytesIO(start + data))
        except READING_ERRORS:
            continue
        assert header.size_bytes >= 0
