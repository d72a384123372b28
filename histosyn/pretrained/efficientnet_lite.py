"""EfficientNet-Lite: an ImageNet classifier of inverted residuals, small enough for any CPU.

The design is that of Tan & Le, "EfficientNet", ICML 2019, in the variant for phones that Google
published in 2020: no squeeze-excitation, ReLU6 for swish, stem and head of one size for all. The
published weights were trained in TensorFlow, so that borders are padded as it pads them.

Legend: N batch, C channels, H W pixels, h w positions of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

import torch
from torch import nn
from torch.nn import functional

CLASSES = 1000
# Layers whose features are handed out: the ends of these stages, at strides 2, 4, 8 and 16.
FEATURE_STAGES = (0, 1, 2, 4)
FEATURE_STRIDES = (2, 4, 8, 16)

_STEM, _HEAD = 32, 1280
# TensorFlow's batch norms here divide by a larger root than PyTorch's.
_EPSILON = 1e-3
# Of each stage: side of the kernels, stride of its first block, and how much wider a block is
# inside than at its ends.
_STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))


@dataclass(frozen=True, kw_only=True)
class Size:
    """Channels and number of blocks of each of the seven stages."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]


LITE0 = Size(channels=(16, 24, 40, 80, 112, 192, 320), blocks=(1, 2, 2, 3, 3, 4, 1))
LITE2 = Size(channels=(16, 24, 48, 88, 120, 208, 352), blocks=(1, 3, 3, 4, 4, 5, 1))


class EfficientNetLite(nn.Module):
    """The classifier: (N, 3, H, W) as `network_input` gives it to (N, 1000) logits."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.stem = _normed(_SameConv(3, _STEM, 3, stride=2))
        self.stages = nn.ModuleList(
            nn.Sequential(*_blocks(kernel, stride, widening, ends, count))
            for (kernel, stride, widening), ends, count in zip(
                _STAGES, pairwise((_STEM, *size.channels)), size.blocks, strict=True
            )
        )
        self.head = _normed(_SameConv(size.channels[-1], _HEAD, 1))
        self.classifier = nn.Linear(_HEAD, CLASSES)

    def forward(self, input_NCHW: torch.Tensor) -> torch.Tensor:
        """Logits (N, 1000) of ImageNet's classes, in the order that is usual for them."""
        layer_NChw = self._stem(input_NCHW)
        for stage in self.stages:
            layer_NChw = stage(layer_NChw)
        head_NChw = functional.relu6(self.head(layer_NChw))
        logits: torch.Tensor = self.classifier(head_NChw.mean(dim=(2, 3)))
        return logits

    def features(self, input_NCHW: torch.Tensor) -> list[torch.Tensor]:
        """(N, C, h, w) at strides 2, 4, 8 and 16; what lies deeper is not computed."""
        layer_NChw, found = self._stem(input_NCHW), []
        for number, stage in enumerate(islice(self.stages, FEATURE_STAGES[-1] + 1)):
            layer_NChw = stage(layer_NChw)
            if number in FEATURE_STAGES:
                found.append(layer_NChw)
        return found

    def expected_moments(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Mean and standard deviation (C,) of each layer of `features` over natural photographs.

        By what the batch norms say: the blocks of a stage add up, and each ends in a norm whose
        output had mean β and deviation γ in training, taken here as independent of the others.
        """
        norms = [_norms_at_ends(self.stages[number]) for number in FEATURE_STAGES]
        return [
            (
                torch.stack([norm.bias for norm in stage]).sum(dim=0),
                torch.stack([norm.weight for norm in stage]).square().sum(dim=0).sqrt(),
            )
            for stage in norms
        ]

    def _stem(self, input_NCHW: torch.Tensor) -> torch.Tensor:
        return functional.relu6(self.stem(input_NCHW))


def network_input(tiles_NCHW: torch.Tensor) -> torch.Tensor:
    """Tiles in [0, 1] as the published weights expect them."""
    return (tiles_NCHW * 255 - 127) / 128


class _SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: ⌈H / stride⌉ positions, the odd zero last.

    PyTorch's own pads both ends alike, which shifts every layer of a strided network.
    """

    def __init__(
        self, inside: int, outside: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inside, outside, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, inside, H, W) to (N, outside, ⌈H / stride⌉, ⌈W / stride⌉)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        (top, bottom), (left, right) = (
            same_padding(side, kernel, stride) for side in input.shape[2:]
        )
        return super().forward(functional.pad(input, (left, right, top, bottom)))


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind `side` pixels, so that there are ⌈side / stride⌉ positions."""
    missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return missing // 2, missing - missing // 2


class _InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to the input where both are of one shape.

    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018.
    """

    def __init__(self, ends: tuple[int, int], kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        width = ends[0] * widening
        self.expand = _normed(_SameConv(ends[0], width, 1)) if widening > 1 else None
        self.depthwise = _normed(_SameConv(width, width, kernel, stride=stride, groups=width))
        self.project = _normed(_SameConv(width, ends[1], 1))
        self._adds = stride == 1 and ends[0] == ends[1]

    def forward(self, input_NChw: torch.Tensor) -> torch.Tensor:
        wide = input_NChw if self.expand is None else functional.relu6(self.expand(input_NChw))
        narrow: torch.Tensor = self.project(functional.relu6(self.depthwise(wide)))
        return input_NChw + narrow if self._adds else narrow


def _blocks(
    kernel: int, stride: int, widening: int, ends: tuple[int, int], count: int
) -> Iterable[_InvertedResidual]:
    yield _InvertedResidual(ends, kernel, stride, widening)
    for _ in range(count - 1):
        yield _InvertedResidual((ends[1], ends[1]), kernel, 1, widening)


def _norms_at_ends(stage: nn.Module) -> list[nn.BatchNorm2d]:
    ends = [block.project[-1] for block in stage.children() if isinstance(block, _InvertedResidual)]
    return [norm for norm in ends if isinstance(norm, nn.BatchNorm2d)]


def _normed(convolution: _SameConv) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels, eps=_EPSILON))


# How the published files call the layers of a block.
_PUBLISHED = (
    ("_expand_conv.", "expand.0."),
    ("_bn0.", "expand.1."),
    ("_depthwise_conv.", "depthwise.0."),
    ("_bn1.", "depthwise.1."),
    ("_project_conv.", "project.0."),
    ("_bn2.", "project.1."),
)
_PUBLISHED_ENDS = (
    ("_conv_stem.", "stem.0."),
    ("_bn0.", "stem.1."),
    ("_conv_head.", "head.0."),
    ("_bn1.", "head.1."),
    ("_fc.", "classifier."),
)


def published_names(size: Size) -> dict[str, str]:
    """How names begin in a published file, by how they begin here ("stem.0." and the like)."""
    places = [
        f"stages.{stage}.{block}."
        for stage, count in enumerate(size.blocks)
        for block in range(count)
    ]
    blocks = {
        f"{place}{ours}": f"_blocks.{number}.{theirs}"
        for number, place in enumerate(places)
        for theirs, ours in _PUBLISHED
    }
    return blocks | {ours: theirs for theirs, ours in _PUBLISHED_ENDS}


def renamed(state: Mapping[str, torch.Tensor], size: Size) -> dict[str, torch.Tensor]:
    """A published state dict with the names of `EfficientNetLite`; others are left as they are."""
    own = {theirs: ours for ours, theirs in published_names(size).items()}
    found = {}
    for name, tensor in state.items():
        beginning = name[: name.rindex(".") + 1] if "." in name else name
        found[own.get(beginning, beginning) + name.removeprefix(beginning)] = tensor
    return found
