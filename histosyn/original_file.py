"""Reading the tensors of a `.pth` file without running anything that is in it.

PyTorch's own files are pickles, and a pickle can hold code. Only tensors and plain containers are
read here; whatever else is asked for in the file is refused by name.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch

from hpc.errors import InputError
from hpc.files import require_file

_PREFIX = "module."  # nn.DataParallel puts it before every key
_ASKED_FOR = re.compile(r"GLOBAL (\S+)")
_DAMAGED = "is damaged or holds no PyTorch tensors"


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state dict by name, on the CPU, without the `module.` of DataParallel.

    Tensors may be mapped from the file: do not change them, and keep the file while they are used.
    Raises InputError if the file is missing, damaged, holds code or is no state dict.
    """
    content = _load(require_file(path, "original's weights"))
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(
            f"{path} holds a {type(content).__name__} and no state dict (names and tensors). "
            "Give the file that the original's training wrote of its generator."
        )
    for key, value in content.items():
        _check_tensor(path, key, value)
    prefixed = all(key.startswith(_PREFIX) for key in content)
    return {
        key.removeprefix(_PREFIX) if prefixed else key: value.detach()
        for key, value in content.items()
    }


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles, which are what we are here for
            mapped = _is_whole_and_can_be_mapped(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (OSError, MemoryError, InputError):
        raise
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

    Raises InputError if a member has not its checksum, which torch does not look at.
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise InputError(f"{path} is damaged: its part {damaged} was altered. Copy it again.")
        return all(item.compress_type == zipfile.ZIP_STORED for item in archive.infolist())


def _check_tensor(path: Path, key: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{path}: {key} is a {type(value).__name__} and no tensor, so this is no state dict of "
            "a generator. If it is a training checkpoint, save the generator's state dict alone."
        )
    if value.layout != torch.strided or value.is_complex() or value.is_quantized:
        raise InputError(
            f"{path}: {key} is a tensor of an unusual kind ({value.dtype}, {value.layout}). "
            "The original's are plain ones: give its file."
        )


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0].partition("\n")[0].strip() or "nothing more is known"
