"""Importing torchvision and pytorch-fid, also where their compiled part does not fit torch."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import torch

from hpc.extras import missing_extra

# Operators that torchvision's Python part describes and its compiled part would have defined.
_NEEDED_OPERATORS = ("nms", "qnms")
_OPERATOR_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declarations: list[torch.library.Library] = []


def import_pytorch_fid() -> ModuleType:
    """pytorch-fid's module `inception`; InputError if it cannot be imported."""
    return _imported("pytorch_fid.inception")


def import_torchvision() -> ModuleType:
    """torchvision; InputError if it cannot be imported."""
    return _imported("torchvision")


def _imported(module: str) -> ModuleType:
    try:
        _declare_missing_operators()
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(
            "This extractor", "pytorch-fid and torchvision", "fid", error
        ) from error


def _declare_missing_operators() -> None:
    """Let torchvision be imported where its compiled part does not fit the installed torch.

    Its Python part then fails on describing operators that nobody defined ("operator
    torchvision::nms does not exist"). Declared without an implementation they satisfy the import;
    Inception never calls them. Where the compiled part loads, it defines them, and nothing is done.
    """
    specification = importlib.util.find_spec("torchvision")
    if specification is None or specification.origin is None:
        raise ImportError("No module named 'torchvision'")
    for library in Path(specification.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
    missing = [name for name in _NEEDED_OPERATORS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        declaration = torch.library.Library("torchvision", "FRAGMENT")
        for name in missing:
            declaration.define(name + _OPERATOR_ARGUMENTS)
        _declarations.append(declaration)  # They vanish with the object.
