"""Loading TorchScript files, which are programs: once run, one may write files or never end.

No other format for whole networks is safer here: a program of `torch.export` is partly unpickled
and its sizes are evaluated as Python when it is opened. So who names such a file says as well that
its code is to be run, and it is not even opened otherwise: opening alone can run some of it.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from hpc.errors import InputError
from hpc.files import open_regular_file
from hpc.weights import require_checksums


def load_torchscript(
    path: Path, device: torch.device, *, run_code: bool, option: str
) -> torch.nn.Module:
    """The network of a TorchScript file, in evaluation mode.

    Raises InputError if its code may not be run, which `option` of the user's allows, and if the
    file is no TorchScript.
    """
    if _is_exported(path):
        raise InputError(
            f"{path} was written by torch.export, whose files are unpickled, which can run any "
            "code: not opened. Save the network as TorchScript (torch.jit.trace)."
        )
    if not run_code:
        raise InputError(
            f"{path} was not opened: a TorchScript file is a program, which can overwrite your "
            f"files or run for ever. Where you trust who made it, say so by {option}."
        )
    try:
        with warnings.catch_warnings():
            # TorchScript is on its way out, but it needs none of the network's Python code.
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            with zipfile.ZipFile(path) as archive:
                require_checksums(archive, path)
            network: Any = torch.jit.load(str(path), map_location=device)
    except InputError:
        raise
    # Any exception: readers that are fed arbitrary bytes raise arbitrary errors.
    except Exception as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise InputError(
            f"{path} is no TorchScript file ({reason}). Save the network with torch.jit.trace, or "
            "torch.jit.script, and its method save."
        ) from error
    return network.eval()


def _is_exported(path: Path) -> bool:
    """Whether an archive is one of `torch.export`; InputError for what is no file to be read."""
    try:
        with open_regular_file(path) as file:
            if not zipfile.is_zipfile(file):
                return False
            with zipfile.ZipFile(file) as archive:
                return any(name.endswith("/archive_format") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no TorchScript file ({error}). Check the path.") from error
