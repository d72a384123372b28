"""Reading and writing `.npz` and `.npy` files: the only reader of either. Numbers and texts only.

The header of an array is read first, and what it claims is held against the limit, the file's size
and what the caller expects; then only the arrays that are asked for are unpacked. Nothing is
unpickled. docs/faults.md has the limits; HISTOSYN_MAX_ARRAY_BYTES raises that of an array.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpc.files import atomic_file, open_regular_file
from hpc.json_toml import plain_json
from hpc.limits import raised_limit
from hpc.zip_directory import open_zip

# What the zip, decompression and array readers are known to raise for a damaged file.
READING_ERRORS = (
    OSError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
MAX_ARRAY_VARIABLE = "HISTOSYN_MAX_ARRAY_BYTES"
MAX_ARRAY_BYTES = raised_limit(MAX_ARRAY_VARIABLE, 1 << 31, "bytes")
# Names, numbers and means, as opposed to features and covariances.
SMALL_BYTES = 1 << 20
# Measured numbers do not shrink to a hundredth; zeros that somebody wants unpacked do.
_TIGHTEST, _LOOSE_BYTES = 64, 64 << 20
_MAX_HEADER_BYTES = 1 << 16
_MAX_DIMENSIONS = 8
_BLOCK_BYTES = 1 << 20
_MAGIC = b"\x93NUMPY"
_DIGESTS = "sha256_of_arrays"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an array says of itself before its numbers."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def size_bytes(self) -> int:
        """How many bytes of numbers it claims."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz:
    """An open `.npz` file (see `open_npz`). All methods may raise one of READING_ERRORS."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        listed = archive.infolist()
        self._members = {info.filename.removesuffix(".npy"): info for info in listed}
        if len(self._members) < len(listed):
            raise ValueError("it lists an array twice")
        self._digests = self._recorded() if _DIGESTS in self._members else {}
        if lost := sorted(self._digests.keys() - self._members.keys()):
            raise ValueError(f"it lacks {', '.join(lost)}")

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def header(self, name: str) -> Header:
        """Shape and type of an array, which is not read."""
        with self._archive.open(self._member(name)) as file:
            return read_header(file)

    def read(self, name: str, most_bytes: int = SMALL_BYTES) -> NDArray[Any]:
        """An array of at most so many bytes; it has the sha256 that the file has for it, if any."""
        array = self._unproven(name, most_bytes)
        if name in self._digests and self._digests[name] != _sha256(array):
            raise ValueError(f"{name} has not the sha256 that the file records")
        return array

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise KeyError(f"it has no array {name}")
        return self._members[name]

    def _recorded(self) -> dict[str, str]:
        found = plain_json(str(self._unproven(_DIGESTS, SMALL_BYTES)))
        if not isinstance(found, dict):
            raise ValueError(f"{_DIGESTS} is no table")
        return found

    def _unproven(self, name: str, most_bytes: int) -> NDArray[Any]:
        info = self._member(name)
        with self._archive.open(info) as file:
            return _read_array(file, info, name, most_bytes)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open a `.npz` file and check its directory. Raises one of READING_ERRORS."""
    with open_regular_file(path) as file, open_zip(file) as archive:
        yield Npz(archive)


def write_npz(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write arrays, and the sha256 of each, atomically."""
    listed = {name: np.asarray(array) for name, array in arrays.items()}
    digests = json.dumps({name: _sha256(array) for name, array in listed.items()})
    save = np.savez_compressed if compressed else np.savez
    with atomic_file(path) as file:
        save(file, **listed, **{_DIGESTS: np.asarray(digests)})  # type: ignore[arg-type]


def map_npy(path: Path) -> np.memmap:
    """The array of a `.npy` file, mapped, not read. Raises one of READING_ERRORS."""
    with open_regular_file(path) as file:
        header = read_header(file)
        start = file.tell()
    if path.stat().st_size < start + header.size_bytes:
        raise ValueError(f"it ends before its {header.size_bytes} bytes of numbers do")
    order: Any = "F" if header.fortran else "C"
    return np.memmap(
        path, dtype=header.dtype, mode="r", offset=start, shape=header.shape, order=order
    )


def read_header(file: IO[bytes]) -> Header:
    """The header of an array in numpy's format, version 1 or 2; raises one of READING_ERRORS."""
    magic = file.read(len(_MAGIC) + 2)
    length_bytes = {b"\x01\x00": 2, b"\x02\x00": 4}.get(magic[len(_MAGIC) :])
    if not magic.startswith(_MAGIC) or length_bytes is None:
        raise ValueError("it is no array of numpy's format 1 or 2")
    length = file.read(length_bytes)
    claimed = int.from_bytes(length, "little")
    if claimed > _MAX_HEADER_BYTES:
        raise ValueError(f"its header claims {claimed} bytes")
    parse: Any = (
        np.lib.format.read_array_header_1_0
        if length_bytes == 2
        else np.lib.format.read_array_header_2_0
    )
    with warnings.catch_warnings():
        # numpy's remark on headers written by Python 2, which old statistics files have.
        warnings.simplefilter("ignore", UserWarning)
        shape, fortran, dtype = parse(BytesIO(length + file.read(claimed)))
    if dtype.hasobject:
        raise ValueError("it holds objects, which are pickled: refused")
    if len(shape) > _MAX_DIMENSIONS or any(not 0 <= side < 1 << 48 for side in shape):
        raise ValueError(f"it claims the shape {shape}")
    return Header(shape=shape, fortran=fortran, dtype=dtype)


def _read_array(file: IO[bytes], info: zipfile.ZipInfo, name: str, most_bytes: int) -> NDArray[Any]:
    header = read_header(file)
    size = header.size_bytes
    if size > min(most_bytes, MAX_ARRAY_BYTES):
        raise ValueError(_too_large(name, header, most_bytes))
    if file.tell() + size != info.file_size:
        raise ValueError(f"{name} has {info.file_size} bytes and claims {file.tell() + size}")
    if size > _LOOSE_BYTES and size > _TIGHTEST * info.compress_size:
        raise ValueError(f"{name} would grow {size // info.compress_size}fold when unpacked")
    flat = np.empty(size, dtype=np.uint8)
    for start in range(0, size, _BLOCK_BYTES):
        stop = min(start + _BLOCK_BYTES, size)
        block = file.read(stop - start)
        if len(block) < stop - start:
            raise EOFError(f"{name} ends too early")
        flat[start:stop] = np.frombuffer(block, dtype=np.uint8)
    # The checksum comes after the last byte, and is compared when more is asked for.
    if file.read(1):
        raise ValueError(f"{name} is longer than its shape")
    if not size:
        return np.zeros(header.shape, header.dtype)
    return flat.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def _too_large(name: str, header: Header, most_bytes: int) -> str:
    shape = "x".join(map(str, header.shape)) or "one value"
    text = f"{name} claims {header.size_bytes} bytes ({shape} of {header.dtype.str[:20]})"
    if most_bytes < MAX_ARRAY_BYTES:
        return f"{text}, at most {most_bytes} are expected"
    return f"{text}, at most {MAX_ARRAY_BYTES} are read; {MAX_ARRAY_VARIABLE} raises that"


def _sha256(array: NDArray[Any]) -> str:
    """Of kind, shape and numbers."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    small = array.nbytes < SMALL_BYTES
    digest.update(array.tobytes() if small else array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
