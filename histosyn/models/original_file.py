"""The state dict in a `.pth` file, of which nothing is run (see `hpc.weights`)."""

from __future__ import annotations

from pathlib import Path

import torch

from hpc.errors import InputError
from hpc.files import require_file
from hpc.weights import read_pickled_tensors

_PREFIX = "module."  # nn.DataParallel puts it before every key


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state dict by name, on the CPU, without the `module.` of DataParallel.

    Tensors may be mapped from the file: do not change them, and keep the file while they are used.
    Raises InputError if the file is missing, damaged, holds code or is no state dict.
    """
    content = read_pickled_tensors(require_file(path, "original's weights"))
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
