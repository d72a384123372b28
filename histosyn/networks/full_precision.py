"""What must not be computed in the precision that autocast chooses for it.

On a GPU autocast has other lists of operations than on a CPU: it lowers matrix-vector products, on
which spectral norms rest, and makes float32 of features that are merely enlarged.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def own_precision(x: torch.Tensor) -> torch.autocast:
    """A context in which operations on the device of x keep the types of their operands."""
    # Where there are no numbers there is no autocast either.
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


def computed_type(weight: torch.Tensor) -> torch.dtype:
    """The type that convolutions with this weight compute in."""
    kind = weight.device.type
    if weight.is_meta or weight.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return weight.dtype
    return torch.get_autocast_dtype(kind)


def doubled(x_NCHW: torch.Tensor) -> torch.Tensor:
    """Each pixel repeated, (N, C, 2H, 2W), of the type of x."""
    with own_precision(x_NCHW):
        return functional.interpolate(x_NCHW, scale_factor=2, mode="nearest")
