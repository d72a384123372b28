"""Many tensors of whole numbers as a single one, which is sent between processes and to a device.

One copy takes the time that a hundred small ones would spend on being started.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from hpc.device_copies import sent

_MOST_INT32 = (1 << 31) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedIntegers:
    """The tensors one after another in `numbers`, int32 if they all fit into that, else int64.

    `sizes` are those of the tensors. `plan` is plain data: what they are, in their order.
    """

    numbers: torch.Tensor
    sizes: tuple[int, ...]
    plan: Any

    def pin_memory(self) -> PackedIntegers:
        """The same in page-locked memory, from which a GPU copies without waiting."""
        return replace(self, numbers=self.numbers.pin_memory())

    def to(self, device: torch.device) -> PackedIntegers:
        """The same on a device, which is not waited for."""
        return replace(self, numbers=sent(self.numbers, device))

    def tensors(self) -> Iterator[torch.Tensor]:
        """The tensors, int64 with one dimension, where the numbers are."""
        return iter(self.numbers.long().split(list(self.sizes)))


class Packer:
    """Takes tensors, and packs them."""

    def __init__(self) -> None:
        self._tensors: list[torch.Tensor] = []

    def put(self, tensor: torch.Tensor) -> None:
        """Take a tensor of whole numbers on the host."""
        self._tensors.append(tensor.flatten())

    def packed(self, plan: Any) -> PackedIntegers:
        """All of them, in the order in which they were taken."""
        sizes = tuple(map(len, self._tensors))
        ends = [end for each in self._tensors if len(each) for end in map(int, each.aminmax())]
        fits = not ends or (min(ends) >= -_MOST_INT32 and max(ends) <= _MOST_INT32)
        dtype = torch.int32 if fits else torch.int64
        numbers = torch.empty(sum(sizes), dtype=dtype)
        for part, tensor in zip(numbers.split(list(sizes)), self._tensors, strict=True):
            part.copy_(tensor)
        return PackedIntegers(numbers=numbers, sizes=sizes, plan=plan)
