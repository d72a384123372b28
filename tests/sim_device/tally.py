"""What is counted while a simulated device works, and which operations make a host wait."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
_FLOORS = tuple(str(ROOT / floor) + "/" for floor in ("hpc", "histosyn", "eval"))

# Their results, or how large these are, must be known to the host before it can go on. Sorting and
# searching, embedding bags and sums of any kind are not among them.
_WAITING = {
    "_local_scalar_dense": "read by the host",
    "is_nonzero": "read by the host",
    "equal": "read by the host",
    "nonzero": "size unknown",
    "argwhere": "size unknown",
    "masked_select": "size unknown",
    "_unique": "size unknown",
    "_unique2": "size unknown",
    "unique_dim": "size unknown",
    "unique_consecutive": "size unknown",
    "bincount": "size unknown",
    "_linalg_eigh": "may fail",
    "_linalg_svd": "may fail",
    "linalg_cholesky_ex": "may fail",
}
# They give a tensor and start nothing.
_NO_KERNELS = frozenset(
    ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view",
     "_reshape_alias", "lift_fresh", "is_pinned")
)  # fmt: skip


@dataclass
class Tally:
    """`waits` by what was waited for and where; `places` likewise for operations, if asked for."""

    operations: int = 0
    kernels: int = 0
    waits: Counter = field(default_factory=Counter)
    places: Counter | None = None

    def operation(self, func):
        """An operation with a tensor on the device as its result."""
        self.operations += 1
        starts = starts_kernel(func)
        self.kernels += starts
        if self.places is not None:
            self.places[name_of(func), place(), starts] += 1

    def wait(self, why):
        """The host waits for all that the device was given to do."""
        self.waits[f"{why}: {place()}"] += 1

    def as_json(self):
        """Golden numbers."""
        return {
            "operations": self.operations,
            "kernels": self.kernels,
            "waits": dict(sorted(self.waits.items())),
        }


def why_waiting(func, args, kwargs):
    """Why a host must wait for this operation on the device; None if it need not."""
    name = name_of(func)
    if name == "repeat_interleave":
        return None if kwargs.get("output_size") is not None else "size unknown"
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
        # A value for all that a mask picks is put there without counting them.
        fills = name != "index" and args[2].dim() == 0
        return "size unknown" if masks and not fills else None
    return _WAITING.get(name)


@cache
def starts_kernel(func):
    """Whether there is something to compute: views and memory that is merely taken are not."""
    views = [given.alias_info for given in func._schema.returns]
    is_view = any(alias is not None and not alias.is_write for alias in views)
    return not is_view and name_of(func) not in _NO_KERNELS


@cache
def name_of(func):
    """Such as `add_`."""
    return func._schema.name.removeprefix("aten::")


def place():
    """The innermost function of ours that is being called, by module and name."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_FLOORS):
            path = Path(frame.f_code.co_filename).relative_to(ROOT).with_suffix("")
            return f"{'.'.join(path.parts)}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "elsewhere"
