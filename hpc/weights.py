"""Reading weights: the only reader of files of tensors, whose code, if any, is never run.

A safetensors file holds no code. PyTorch's own files are pickles, which can: of those only tensors
and plain containers are read, and whatever else is asked for in them is refused by name. What a
file claims is held against the file's size before memory is asked for.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from hpc.errors import DamagedFileError, InputError
from hpc.files import open_regular_file, sha256_of_bytes

# Far beyond any network here; whoever names a sparse file of terabytes shall not wait for it.
MAX_FILE_BYTES = 1 << 36
# What reading a damaged safetensors file raises.
WEIGHTS_DAMAGE = (OSError, ValueError, SafetensorError)

_ASKED_FOR = re.compile(r"GLOBAL (\S+)")
_DAMAGED = "is damaged or holds no PyTorch tensors"
_NAMED_TENSORS = 3


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors by name, on the CPU, and the sha256 of the file that holds them."""

    state: dict[str, torch.Tensor]
    sha256: str


def read_weights(path: Path) -> Weights:
    """Read a safetensors file once: what is hashed is what is used. Raises WEIGHTS_DAMAGE."""
    with open_regular_file(path) as file:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{path.name} is larger than {MAX_FILE_BYTES >> 30} GiB")
        data = file.read()
    return Weights(state=safetensors.torch.load(data), sha256=sha256_of_bytes(data))


def read_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file whose sha256 was compared. Raises WEIGHTS_DAMAGE.

    Copied out of the file, which would stay mapped: it may be deleted while they are in use, and on
    a network file system whoever still looks at it then may die of that.
    """
    mapped = safetensors.torch.load_file(path, device=str(device))
    return {name: tensor.clone() for name, tensor in mapped.items()}


def tensor_sha256(tensor: torch.Tensor) -> str:
    """Hex digest of a CPU tensor's numbers, as they lie in a safetensors file."""
    content = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(content.numpy().data).hexdigest()


def not_finite(state: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that hold an infinity or NaN."""
    return [name for name, tensor in state.items() if not is_finite(tensor)]


def require_finite(state: Mapping[str, torch.Tensor], where: str) -> None:
    """Raise DamagedFileError naming the tensors of `where` that hold an infinity or NaN."""
    if strange := not_finite(state):
        named = ", ".join(strange[:_NAMED_TENSORS])
        raise DamagedFileError(
            f"{where}: numbers that are not finite stand in {len(strange)} of its {len(state)} "
            f"tensors ({named}), so what it makes means nothing. Its file is damaged, or its "
            "training diverged: copy it again, or take an earlier checkpoint."
        )


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether no number is infinite or NaN.

    By the smallest and the largest, which a NaN takes over: no second tensor is made.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(bool(end.isfinite()) for end in tensor.detach().aminmax())


def read_pickled_tensors(path: Path) -> object:
    """What a `.pth` file holds, on the CPU: tensors and plain containers.

    Tensors may be mapped from the file: do not change them, and keep the file while they are used.
    One number may stand for many, so look at a tensor's shape before you do anything with it.
    Raises InputError if the file is damaged, claims more than it has, or holds code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles, which are what we are here for
            mapped = _is_whole_and_can_be_mapped(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (OSError, InputError):
        raise
    except MemoryError as error:
        raise InputError(f"{path} claims more than fits into memory. Copy it again.") from error
    except pickle.UnpicklingError as error:
        # torch's message goes on about how to read the file all the same: not to be passed on.
        if asked := _ASKED_FOR.search(str(error)):
            raise InputError(
                f"{path} holds more than tensors: reading it would call {asked[1]}, and could run "
                "any code. It is refused. Where you trust the file, save the state dict of its "
                "generator alone and import that."
            ) from error
        raise InputError(f"{path} {_DAMAGED}. Copy it again.") from error
    except Exception as error:  # what a damaged pickle raises is anybody's guess
        raise InputError(
            f"{path} {_DAMAGED} ({type(error).__name__}: {_first_sentence(error)}). Copy it again."
        ) from error


def _is_whole_and_can_be_mapped(path: Path) -> bool:
    """Whether torch can map the file (since PyTorch 1.6 it is a zip, whose members lie bare).

    Raises InputError if a member has not its checksum, or all claim more than the file has.
    """
    open_regular_file(path).close()
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # PyTorch compresses nothing: more than the file's size is a trick, or overlaps.
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise InputError(
                f"{path} claims to hold more bytes than it has, which no file of PyTorch does. "
                "It is refused. Get it anew from where it comes from."
            )
        require_checksums(archive, path)
        return all(member.compress_type == zipfile.ZIP_STORED for member in members)


def require_checksums(archive: zipfile.ZipFile, path: Path) -> None:
    """InputError naming the member that has not its checksum; torch itself does not look."""
    if damaged := archive.testzip():
        raise InputError(f"{path} is damaged: its part {damaged} was altered. Copy it again.")


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0].partition("\n")[0].strip() or "nothing more is known"
