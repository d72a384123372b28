"""Mixed precision on the simulated device, by the lists of operations of a CUDA device.

They are others than a CPU's: matrix-vector products are lowered, and losses, norms, exponentials
and enlarged features are computed in float32.
"""

import functools

import torch
from torch.utils._pytree import tree_map

_LOWERED = (
    "_convolution", "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d", "prelu",
    "addmm", "addmv", "addr", "matmul", "einsum", "mm", "mv", "linalg_vecdot", "linear", "addbmm",
    "baddbmm", "bmm",
)  # fmt: skip
_FLOAT32 = (
    "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p", "reciprocal",
    "rsqrt", "sinh", "tan", "pow", "softplus", "layer_norm", "group_norm", "frobenius_norm",
    "nll_loss", "nll_loss2d", "kl_div", "l1_loss", "smooth_l1_loss", "huber_loss", "mse_loss",
    "binary_cross_entropy_with_logits", "dist", "cdist", "logsumexp", "upsample_nearest2d",
    "upsample_bilinear2d", "upsample_bicubic2d", "prod", "softmax", "log_softmax", "cumprod",
    "cumsum", "linalg_vector_norm", "linalg_matrix_norm", "sum",
)  # fmt: skip
_WIDEST = ("addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "grid_sampler", "index_put",
           "tensordot", "scatter_add")  # fmt: skip
_KEY = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)


_OTHERS = torch.library.Library("_", "IMPL")


def register(library):
    """Put the casts before these operations, and let all others through."""
    _OTHERS.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for names, cast in ((_LOWERED, _lowered), (_FLOAT32, _float32), (_WIDEST, _widest)):
        for name in names:
            packet = getattr(torch.ops.aten, name)
            for overload in packet.overloads():
                if overload.endswith("out"):
                    continue
                whole = name if overload == "default" else f"{name}.{overload}"
                operation = functools.partial(_cast, getattr(packet, overload), cast)
                library.impl(whole, operation, "AutocastPrivateUse1")


def _cast(operation, cast, *args, **kwargs):
    with torch._C._ExcludeDispatchKeyGuard(_KEY):
        args, kwargs = cast((args, kwargs))
        return operation(*args, **kwargs)


def _lowered(given):
    return _to(torch.get_autocast_dtype("sim"), given)


def _float32(given):
    args, kwargs = given
    # Where a type is asked for, that is it.
    if kwargs.get("dtype") is not None or any(isinstance(it, torch.dtype) for it in args):
        return given
    return _to(torch.float32, given)


def _widest(given):
    types = set()
    tree_map(lambda it: types.add(it.dtype) if _is_eligible(it) else None, given)
    return _to(torch.float32, given) if torch.float32 in types else given


def _to(dtype, given):
    return tree_map(lambda it: it.to(dtype) if _is_eligible(it) else it, given)


def _is_eligible(value):
    """Of float64 autocast lets go, and it leaves the host's tensors alone."""
    return (
        isinstance(value, torch.Tensor)
        and value.device.type == "sim"
        and value.is_floating_point()
        and value.dtype != torch.float64
    )
