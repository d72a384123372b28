"""The original's generator as a table: its keys, their shapes, and what they are called here.

The original is the network of Falahkheirkhah et al. 2023: SPADE (Park et al. 2019) with a linear
layer on the noise, seven residual blocks and six upsamplings. Its state dict holds, for each
spectrally normalized weight, the raw weight and the two vectors of the power iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

# A side of a shape: a number, or a name that the place of the tensor in the network resolves.
Side = int | str
Sources = tuple[tuple[str, tuple[Side, ...]], ...]

UPSAMPLINGS = 6
# Their name of each block, coarsest first; channels in and out as multiples of the base channels.
BLOCKS = (
    ("head_0", 16, 16),
    ("G_middle_0", 16, 16),
    ("G_middle_1", 16, 16),
    ("up_0", 16, 8),
    ("up_1", 8, 4),
    ("up_2", 4, 2),
    ("up_3", 2, 1),
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What may differ between files of this layout. The defaults are the released networks'."""

    base_channels: int = 64
    """Channels of the last block."""
    noise_channels: int = 256
    """Numbers of a noise vector."""
    embedding_channels: int = 128
    """Channels of the label embedding in each modulation."""
    label_channels: int = 4
    """Channels of the one-hot label map."""
    grid_size: int = 8
    """Cells a side of the coarsest grid."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One tensor of ours: from which of theirs it is made, and how."""

    ours: str
    theirs: Sources
    convert: Callable[..., torch.Tensor]


def as_it_is(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, as float32 unless they count something."""
    return tensor.float() if tensor.is_floating_point() else tensor


def joined(gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Two convolutions of the same input as one that gives both outputs' channels."""
    return torch.cat([gamma.float(), beta.float()])


def folded(weight: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """W / (u · (W v)): the weight that spectral normalization uses in eval mode.

    The norm is summed in float64, because its relative error becomes that of the whole layer.
    """
    norm = u.double() @ (weight.double().flatten(1) @ v.double())
    return (weight.double() / norm).float()


def _one(ours: str, theirs: str, *shape: Side) -> Row:
    return Row(ours=ours, theirs=((theirs, shape),), convert=as_it_is)


def _gamma_beta(what: str, *shape: Side) -> Row:
    both = tuple((f"mlp_{name}.{what}", shape) for name in ("gamma", "beta"))
    return Row(ours=f"gamma_beta.{what}", theirs=both, convert=joined)


def _spectral(inputs_of_a_filter: str, *shape: Side) -> Row:
    return Row(
        ours="weight",
        theirs=(
            ("weight_orig", shape),
            ("weight_u", ("out",)),
            ("weight_v", (inputs_of_a_filter,)),
        ),
        convert=folded,
    )


_BIAS = _one("bias", "bias", "out")
_LINEAR = (_one("weight", "weight", "out", "in"), _BIAS)
_CONV = (_one("weight", "weight", "out", "in", 3, 3), _BIAS)
_SPECTRAL_CONV = (_spectral("9 in", "out", "in", 3, 3), _BIAS)
_SPECTRAL_SHORTCUT = (_spectral("in", "out", "in", 1, 1),)
_NORM = (
    _one("normalize.running_mean", "param_free_norm.running_mean", "in"),
    _one("normalize.running_var", "param_free_norm.running_var", "in"),
    _one("normalize.num_batches_tracked", "param_free_norm.num_batches_tracked"),
    _one("embed.weight", "mlp_shared.0.weight", "embedding", "labels", 3, 3),
    _one("embed.bias", "mlp_shared.0.bias", "embedding"),
    _gamma_beta("weight", "in", "embedding", 3, 3),
    _gamma_beta("bias", "in"),
)
# Of a block: our name, theirs, rows, channels in, channels out.
_MODULES = (
    ("norm_0", "norm_0", _NORM, "inner", "inner"),
    ("conv_0", "conv_0", _SPECTRAL_CONV, "inner", "middle"),
    ("norm_1", "norm_1", _NORM, "middle", "middle"),
    ("conv_1", "conv_1", _SPECTRAL_CONV, "middle", "outer"),
)
_MODULES_WHERE_THE_WIDTH_CHANGES = (
    *_MODULES,
    ("norm_s", "norm_s", _NORM, "inner", "inner"),
    ("shortcut", "conv_s", _SPECTRAL_SHORTCUT, "inner", "outer"),
)


def rows(layout: Layout) -> Iterator[Row]:
    """Every tensor of the generator, with full names and with numbers for sides."""
    base = layout.base_channels
    coarsest = BLOCKS[0][1] * base * layout.grid_size**2
    yield from _placed("entry", "fc", _LINEAR, {"in": layout.noise_channels, "out": coarsest})
    for index, (name, inner, outer) in enumerate(BLOCKS):
        widths = {"inner": inner * base, "outer": outer * base, "middle": min(inner, outer) * base}
        modules = _MODULES if inner == outer else _MODULES_WHERE_THE_WIDTH_CHANGES
        for ours, theirs, table, ins, outs in modules:
            sides = {
                "in": widths[ins],
                "9 in": 9 * widths[ins],
                "out": widths[outs],
                "embedding": layout.embedding_channels,
                "labels": layout.label_channels,
            }
            yield from _placed(f"blocks.{index}.{ours}", f"{name}.{theirs}", table, sides)
    yield from _placed("exit", "conv_img", _CONV, {"in": base, "out": 3})


def shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """The shape of each key of the original's state dict."""
    return {
        key: tuple(int(side) for side in shape) for row in rows(layout) for key, shape in row.theirs
    }


def _placed(
    ours: str, theirs: str, table: tuple[Row, ...], sides: Mapping[str, int]
) -> Iterator[Row]:
    for row in table:
        sources = tuple(
            (f"{theirs}.{key}", tuple(s if isinstance(s, int) else sides[s] for s in shape))
            for key, shape in row.theirs
        )
        yield Row(ours=f"{ours}.{row.ours}", theirs=sources, convert=row.convert)
