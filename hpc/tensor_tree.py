"""A nested training state flattened to named tensors and JSON: copied, written, unflattened.

The file of tensors is a safetensors file, which holds no code. It is written here rather than by
the safetensors package, because hashing it on the way saves reading it again, the system's error
number tells a full disk from other failures, and the folder's rights apply to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_BLOCK_BYTES = 8 << 20
_ALIGNMENT_BYTES = 8
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A state as it was at one moment, in host memory: nothing that training does changes it.

    `skeleton` is JSON with the tensors' names where they belong.
    """

    skeleton: Any
    tensors: dict[str, torch.Tensor]

    @property
    def tensor_bytes(self) -> int:
        """Host memory that the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def take_snapshot(state: dict[str, Any], over: Snapshot | None = None) -> Snapshot:
    """Copy a tree of dicts, lists, tensors and JSON scalars to host memory.

    `over` is a snapshot that is needed no more: its memory is used again where it fits, because
    fresh memory takes longer than the copy itself. From GPUs through page-locked memory: all copies
    are under way at once, and waited for. Raises TypeError for what a checkpoint cannot hold.
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = _flatten(state, "", tensors)
    used = over.tensors if over is not None else {}
    copies = {name: _host_copy(tensor, used.get(name)) for name, tensor in tensors.items()}
    for device in {tensor.device for tensor in tensors.values() if tensor.is_cuda}:
        torch.cuda.synchronize(device)
    return Snapshot(skeleton=skeleton, tensors=copies)


def unflatten(skeleton: Any, tensors: Mapping[str, torch.Tensor | None]) -> Any:
    """The tree that `take_snapshot` was given, with these tensors; tuples have become lists."""
    if not isinstance(skeleton, dict):
        return skeleton
    ((kind, content),) = skeleton.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unflatten(value, tensors) for key, value in content}
    return [unflatten(value, tensors) for value in content]


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> str:
    """Write contiguous CPU tensors as a safetensors file; returns its sha256 as was meant."""
    digest = hashlib.sha256()
    # Unbuffered, so that a full disk is noticed by the write that meets it.
    with path.open("xb", buffering=0) as file:
        for block in _file_content(tensors):
            digest.update(block)
            while block:
                block = block[file.write(block) :]
    return digest.hexdigest()


def _file_content(tensors: dict[str, torch.Tensor]) -> Iterator[memoryview]:
    """As safetensors lays a file out: the header's length, the header, the tensors' bytes."""
    # The widest first, so that each lies at a multiple of its own width.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": _DTYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT_BYTES)
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for name in names:
        content = tensors[name].reshape(-1).view(torch.uint8).numpy().data
        for start in range(0, len(content), _BLOCK_BYTES):
            yield content[start : start + _BLOCK_BYTES]


def _host_copy(tensor: torch.Tensor, used: torch.Tensor | None) -> torch.Tensor:
    host = used
    if host is None or (host.shape, host.dtype) != (tensor.shape, tensor.dtype):
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
    return host.copy_(tensor.detach(), non_blocking=tensor.is_cuda)


def _flatten(node: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Collect the tensors of a tree in `tensors`; returns the tree as JSON with their names."""
    if isinstance(node, torch.Tensor) and node.dtype in _DTYPES:
        # Numbered, because paths can coincide: the keys 1 and "1", or "a/b" and "b" within "a".
        name = f"{len(tensors)}{name}"
        tensors[name] = node
        return {"tensor": name}
    if isinstance(node, dict):
        for key in node:
            if not isinstance(key, str | int):
                raise TypeError(f"A checkpoint cannot hold the key {key!r} (at {name}).")
        # Pairs, because JSON would turn the optimizers' integer keys into strings.
        pairs = [[key, _flatten(value, f"{name}/{key}", tensors)] for key, value in node.items()]
        return {"dict": pairs}
    if isinstance(node, list | tuple):
        return {"list": [_flatten(v, f"{name}/{i}", tensors) for i, v in enumerate(node)]}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    kind = node.dtype if isinstance(node, torch.Tensor) else type(node).__name__
    raise TypeError(f"A checkpoint cannot hold {kind} (at {name}).")
