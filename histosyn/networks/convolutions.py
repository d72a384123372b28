"""Convolutions whose gradients are computed in the order in memory that is fastest on a CPU.

oneDNN computes forward and input gradient as fast in channels_last as in PyTorch's usual order, but
on some processors the weight gradient several times slower; and it puts a weight into an order of
its own for each of the three, which on a small grid takes longer than the computation. So there are
these forms of the same function, for as long as `computed_as` says so:

    plain        as PyTorch computes it in the order that it finds
    small_grids  where features have no more pixels than either side has channels, features are put
                 into the usual order, and on the smallest the weight gradient is one product of the
                 output's gradient and the unfolded patches
    contiguous   that, and all other weight gradients from copies in the usual order

They differ by rounding. The weight gradient is put in the place of PyTorch's, below autograd, which
therefore asks for it only when it is needed and differentiates it as often as wanted; autocast has
done its work before. On other devices all of them are plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn import functional

Form = Literal["plain", "small_grids", "contiguous"]
FORMS: tuple[Form, ...] = get_args(Form)
Gradients = tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]

_OPERATION = "convolution_backward"
# With fewer channels a copy takes longer than it gains.
_LEAST_CHANNELS = 16
# Copies are made of a few tiles at a time: larger tensors come fresh from the system each time.
_MOST_VALUES = 4 << 20


class _Current:
    """What this process computes in: an attribute, which torch.compile can look at."""

    form: Form = "plain"


_CURRENT = _Current()


@contextmanager
def computed_as(form: Form) -> Iterator[None]:
    """Compute convolutions of this process in `form`, forward and backward."""
    if form != "plain":
        _put_in_place()
    before, _CURRENT.form = _CURRENT.form, form
    try:
        yield
    finally:
        _CURRENT.form = before


class Convolution(nn.Conv2d):
    """`nn.Conv2d`, in whatever form is asked for when it is computed.

    With `one_kernel` sums are made in one order, however large the input is: on a CPU, PyTorch has
    kernels of its own for small inputs, which on some processors round differently from oneDNN.
    There is no gradient then.
    """

    one_kernel = False

    def _conv_forward(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if self.one_kernel and _is_for_onednn(input, weight):
            return self._by_onednn(input, weight, bias)
        if _CURRENT.form == "plain" or not _is_small(input, weight) or input.is_contiguous():
            return super()._conv_forward(input, weight, bias)
        y_NCHW = super()._conv_forward(input.contiguous(), weight, bias)
        return y_NCHW.contiguous(memory_format=torch.channels_last)

    def _by_onednn(
        self, x_NCHW: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        assert not isinstance(self.padding, str)
        padding = self.padding
        if self.padding_mode != "zeros":
            rims = self._reversed_padding_repeated_twice
            x_NCHW, padding = functional.pad(x_NCHW, rims, mode=self.padding_mode), (0, 0)
        return torch.mkldnn_convolution(
            x_NCHW, weight, bias, padding, self.stride, self.dilation, self.groups
        )


def _is_for_onednn(x_NCHW: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and x_NCHW.device.type == "cpu"
        and x_NCHW.dtype == weight.dtype == torch.float32
        and x_NCHW.numel() > 0
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def _is_small(x_NCHW: torch.Tensor, weight: torch.Tensor, factor: int = 1) -> bool:
    """Whether `factor` times the pixels are no more than the channels of either side.

    Then the weight has more values than what it is multiplied with, k² times as many at least.
    """
    if x_NCHW.device.type != "cpu" or x_NCHW.dim() != 4:
        return False
    pixels = x_NCHW.shape[0] * x_NCHW.shape[2] * x_NCHW.shape[3]
    return 0 < factor * pixels <= min(weight.shape[:2])


@cache
def _put_in_place() -> torch.library.Library:
    """PyTorch's backward pass of convolutions on CPUs by way of this module, from now on."""
    # Before it is replaced.
    _kernel()
    library = torch.library.Library("aten", "IMPL")
    library.impl(_OPERATION, _backward, "CPU")
    return library


@cache
def _kernel() -> Any:
    return torch.library.get_kernel(f"aten::{_OPERATION}", "CPU")


def _plain(*arguments: Any) -> Gradients:
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    return _kernel().call_boxed(keys, *arguments)


def _backward(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias_sizes: Sequence[int] | None,
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], transposed: bool,
    output_padding: Sequence[int], groups: int, output_mask: Sequence[bool],
) -> Gradients:  # fmt: skip
    """Gradients of input, weight and bias, of which `output_mask` says which are wanted."""
    given = (bias_sizes, stride, padding, dilation, transposed, output_padding, groups)
    of_input, of_weight, of_bias = output_mask
    form = _CURRENT.form
    how = _way(form, dy, x, weight, groups) if of_weight and not transposed else None
    if how is None:
        return _plain(dy, x, weight, *given, output_mask)
    dx = _plain(dy, x, weight, *given, (True, False, False))[0] if of_input else None
    if how == "product":
        dweight = _product(dy, x, weight, stride=stride, padding=padding, dilation=dilation)
        return dx, dweight, dy.sum((0, 2, 3)) if of_bias else None
    return dx, *_from_copies(dy, x, weight, given, of_bias=of_bias)


def _way(
    form: Form, dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, groups: int
) -> Literal["product", "copies"] | None:
    """How to compute a weight gradient; None: as PyTorch does."""
    if form == "plain" or x.dim() != 4 or not x.numel() or not dy.numel():
        return None
    if groups == 1 and _is_small(dy, weight, factor=2):
        return "product"
    # The order of the input is the one that PyTorch computes in.
    if (
        form == "contiguous"
        and not x.is_contiguous()
        and min(x.shape[1], dy.shape[1]) >= _LEAST_CHANNELS
    ):
        return "copies"
    return None


def _product(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, **grid: Sequence[int]
) -> torch.Tensor:
    """(O, M)·(M, C·k·k) for M pixels of the output; the weight's own order in memory."""
    patches = functional.unfold(x, list(weight.shape[2:]), **grid)  # type: ignore[arg-type]
    rows_MC = patches.transpose(1, 2).flatten(0, 1)
    dy_MO = dy.permute(0, 2, 3, 1).flatten(0, 2)
    return (dy_MO.T @ rows_MC).view(weight.shape)


def _from_copies(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, given: tuple[Any, ...], *,
    of_bias: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    """PyTorch's own, from a few tiles at a time in the usual order."""
    at_once = max(1, _MOST_VALUES // max(x[0].numel(), dy[0].numel()))
    dweight: torch.Tensor | None = None
    dbias: torch.Tensor | None = None
    copies = [torch.empty_like(t[:at_once], memory_format=torch.contiguous_format) for t in (dy, x)]
    for start in range(0, len(x), at_once):
        parts = [
            _copied(whole[start : start + at_once], copy)
            for whole, copy in zip((dy, x), copies, strict=True)
        ]
        _, dw, db = _plain(*parts, weight, *given, (False, True, of_bias))
        assert dw is not None
        dweight = dw if dweight is None else dweight.add_(dw)
        if db is not None:
            dbias = db if dbias is None else dbias.add_(db)
    assert dweight is not None
    return dweight, dbias


def _copied(tiles_NCHW: torch.Tensor, copy_NCHW: torch.Tensor) -> torch.Tensor:
    """In the usual order; tile by tile PyTorch transposes a matrix in blocks, which is faster."""
    copy_NCHW = copy_NCHW[: len(tiles_NCHW)]
    for tile_CHW, copy_CHW in zip(tiles_NCHW, copy_NCHW, strict=True):
        pixels = tile_CHW.permute(1, 2, 0)
        if pixels.is_contiguous():
            copy_CHW.flatten(1).copy_(pixels.flatten(0, 1).T)
        else:
            copy_CHW.copy_(tile_CHW)
    return copy_NCHW
