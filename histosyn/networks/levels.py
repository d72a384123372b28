"""The label map at each resolution of a network, and what all layers of a resolution share.

Everything about labels that needs to be found (distinct neighbourhoods, what has which) is found on
the host, where label maps come from, and sent to the device as tables that are ready for use: the
device need not be waited for. Loader workers do it ahead (`histosyn.networks.label_tables`);
otherwise it is done when a layer first asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch.nn import functional

from histosyn.networks.boxes import Box, sampled
from histosyn.networks.patterns import Patterns, find_patterns, mean_shares, one_hot, shrink
from histosyn.networks.pixel_blocks import Pixels
from hpc.device_copies import sent
from hpc.packed_integers import PackedIntegers, Packer

Shares = tuple[float, float]


class Level:
    """A batch of label maps at one resolution: `labels_NHW`, int64 in [0, classes) or IGNORED.

    `shares` are those of the image that these are a window of, if they are: whole or in windows,
    an image is to be computed in the same way. `host_NHW` are the same label maps on the host, and
    `device` is where features are computed, if the label maps themselves are not there.
    """

    def __init__(
        self,
        labels_NHW: torch.Tensor,
        classes: int,
        shares: Shares | None = None,
        host_NHW: torch.Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.labels_NHW = labels_NHW
        self.device = device or labels_NHW.device
        self.classes = classes
        self._shares = shares
        self._host_NHW = host_NHW
        self._segments: dict[torch.dtype, torch.Tensor] = {}

    def segments(self, dtype: torch.dtype) -> torch.Tensor:
        """The one-hot label maps (N, K, H, W) in channels_last, made once for all layers."""
        if dtype not in self._segments:
            segments = one_hot(self.labels_NHW, self.classes, dtype)
            self._segments[dtype] = segments.contiguous(memory_format=torch.channels_last)
        return self._segments[dtype]

    def on_host(self) -> torch.Tensor:
        """The label maps on the host."""
        if self._host_NHW is None:
            self._host_NHW = self.labels_NHW.cpu()
        return self._host_NHW

    def window(self, box: Box) -> Level:
        """A part of the label maps, as label maps of their own."""
        host_NHW = box.of(self.on_host())
        return Level(box.of(self.labels_NHW), self.classes, host_NHW=host_NHW)

    @cached_property
    def pixels(self) -> Pixels:
        """The pixels in raster order, each with a row of its own."""
        return Pixels(self.labels_NHW.shape, self.device)

    @cached_property
    def pixels_of_classes(self) -> Pixels:
        """The pixels by class; number `classes` stands for no class."""
        if self.device.type == "cpu":
            return self.host_pixels
        packer = Packer()
        plan = self.host_pixels.pack(packer, gradients=torch.is_grad_enabled())
        packed = packer.packed(plan).to(self.device)
        return Pixels.unpacked(packed.plan, packed.tensors(), self.device)

    @cached_property
    def host_pixels(self) -> Pixels:
        """`pixels_of_classes`, on the host."""
        index = self.on_host().clamp(max=self.classes)
        return Pixels(self.labels_NHW.shape, self.device, index.flatten(), self.classes + 1)

    @cached_property
    def patterns(self) -> Patterns:
        """The distinct neighbourhoods."""
        if self.device.type == "cpu":
            return self.host_patterns
        packer = Packer()
        plan = self.host_patterns.pack(packer, gradients=torch.is_grad_enabled())
        packed = packer.packed(plan).to(self.device)
        return Patterns.unpacked(packed.plan, packed.tensors(), self.device)

    @cached_property
    def host_patterns(self) -> Patterns:
        """`patterns`, on the host."""
        return find_patterns(self.on_host(), self.classes, self.device)

    @cached_property
    def shares(self) -> Shares:
        """Distinct 3x3 and 5x5 neighbourhoods, each as a share of the pixels.

        Of a single map that is large, as `sampled` parts of it have them.
        """
        if self._shares is not None:
            return self._shares
        boxes = sampled(self.labels_NHW.shape[1:])
        if len(self.labels_NHW) > 1 or len(boxes) == 1:
            return self.host_patterns.shares
        return mean_shares((box.of(self.on_host()) for box in boxes), self.classes)

    def take(self, plan: Any, tensors: Iterator[torch.Tensor]) -> None:
        """Take over what was found before, by `found`."""
        self._shares, patterns, pixels = plan
        if patterns is not None:
            self.patterns = Patterns.unpacked(patterns, tensors, self.device)
        if pixels is not None:
            self.pixels_of_classes = Pixels.unpacked(pixels, tensors, self.device)


class LabelPyramid:
    """Levels of a batch of label maps, each side twice as long as that of the level before.

    `stride` divides both sides of the label maps; the first level has a pixel for each cell of
    `stride` x `stride` pixels, the last one is the label maps themselves. `host_NHW` as for a
    `Level`; `found` is what was found in them before.
    """

    def __init__(
        self,
        labels_NHW: torch.Tensor,
        stride: int,
        classes: int,
        *,
        host_NHW: torch.Tensor | None = None,
        found: PackedIntegers | None = None,
    ) -> None:
        if host_NHW is None and found is None:
            host_NHW = labels_NHW.cpu()
        factors = [stride >> number for number in range(stride.bit_length())]
        self.levels = tuple(
            Level(
                shrink(labels_NHW, factor),
                classes,
                host_NHW=None if host_NHW is None else shrink(host_NHW, factor),
            )
            for factor in factors
        )
        if found is not None:
            tensors = found.tensors()
            for level, plan in zip(self.levels, found.plan, strict=True):
                level.take(plan, tensors)


def levels_of(
    labels_NHW: torch.Tensor,
    stride: int,
    classes: int,
    device: torch.device,
    found: PackedIntegers | None = None,
) -> Sequence[Level]:
    """The levels of label maps of any size, coarsest first, for features on a device.

    The label maps may be on the host still; `found` is on the device.
    """
    padded_NHW = padded(labels_NHW, stride)
    host_NHW = padded_NHW if padded_NHW.device.type == "cpu" else None
    there_NHW = sent(padded_NHW, device)
    return LabelPyramid(there_NHW, stride, classes, host_NHW=host_NHW, found=found).levels


def padded(labels_NHW: torch.Tensor, stride: int) -> torch.Tensor:
    """Repeat the last row and column until `stride` divides both sides."""
    bottom, right = (-side % stride for side in labels_NHW.shape[1:])
    if not (bottom or right):
        return labels_NHW
    wider = functional.pad(labels_NHW[:, None].float(), (0, right, 0, bottom), mode="replicate")
    return wider[:, 0].to(labels_NHW.dtype)
