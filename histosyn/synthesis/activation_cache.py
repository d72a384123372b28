"""A cache of activations: after an edit only its receptive field is computed again.

A block's features change where its input changed, and where the label map did; the change spreads
by two pixels of the block's resolution for its two 3x3 convolutions. So an edit needs a window of
each block, which is wide where the resolution is coarse and becomes narrow, in share of the image,
where it is fine and the work is. The rest is taken from the last time.

A window is computed with a rim, since its edges are not the image's: γ and β of a pixel depend on
the labels within two pixels, and reach two pixels further through the convolutions. Filtered
doubling looks one pixel further. What is kept of it differs from the whole image's by rounding
alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from histosyn.networks.boxes import Box, around, box_of
from histosyn.networks.generator import Generator, Noise
from histosyn.networks.levels import Level

_REACH_OF_LABELS = 2
_REACH_OF_CONVOLUTIONS = 2
# Of the finer pixels; those that are merely repeated look at no neighbour.
_REACH_OF_FILTER = 1
_RIM = _REACH_OF_LABELS + _REACH_OF_CONVOLUTIONS + _REACH_OF_FILTER
# A window of a larger share is not worth its rim.
_MOST = 0.6


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """Features (N, C, H, W), and where they differ from the last time's.

    They are `exact` if a computation of the whole image gave them, to the last bit.
    """

    values: torch.Tensor
    changed: Box | None
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class _Kept:
    values: torch.Tensor
    exact: bool
    pixel_noise: torch.Tensor | None = None


class ActivationCache:
    """What a network's blocks gave the last time, so that the next time needs windows of them.

    Each image is made within `image`; one that is not finished leaves the cache as it was.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept] = {}
        self._new: dict[Hashable, _Kept] = {}
        self._labels: list[torch.Tensor] = []
        self._levels: Sequence[Level] = ()
        self._relabelled: list[Box | None] = []

    @contextmanager
    def image(self, levels: Sequence[Level]) -> Iterator[None]:
        """Make an image of these label maps; with those of another size it shares nothing."""
        labels = [level.on_host() for level in levels]
        if [each.shape for each in labels] != [each.shape for each in self._labels]:
            self._kept, self._labels = {}, labels
        self._levels, self._new = levels, {}
        pairs = zip(labels, self._labels, strict=True)
        self._relabelled = [box_of((now != before).any(0)) for now, before in pairs]
        yield
        self._kept, self._labels = self._new, labels

    def compared(self, name: Hashable, values: torch.Tensor, *, exact: bool = True) -> Recomputed:
        """What was computed whole, because it is little work: where is it another one?"""
        before = self._kept.get(name)
        self._new[name] = _Kept(values=values, exact=exact)
        changed = _whole(values) if before is None else _difference(values, before.values)
        return Recomputed(values=values, changed=changed, exact=exact)

    def rise(
        self, name: Hashable, network: Generator, number: int, x: Recomputed, noise: Noise
    ) -> Recomputed:
        """Block `number` of a network on x, or on a window of it.

        `name` tells the networks' passes apart that belong to one image.
        """
        before, pixel_noise = self._kept.get((name, number)), noise.at(number)
        filtered = network.config.upsampling != "nearest"
        box = self._reach(before, number, x, pixel_noise, filtered=filtered)
        level = self._levels[number]
        if before is not None and box is None:
            made = Recomputed(values=before.values, changed=None, exact=before.exact)
        elif before is None or box is None or box.share_of(level.labels_NHW.shape[1:]) > _MOST:
            values = network.rise(number, x.values, level, pixel_noise, noise.stain)
            made = Recomputed(values=values, changed=_whole(values), exact=x.exact)
        else:
            window = self._window(box, number)
            part = network.rise(
                number,
                (window.coarser() if number else window).of(x.values),
                level.window(window),
                None if pixel_noise is None else window.of(pixel_noise),
                noise.stain,
            )
            values = _patched(before.values, box, box.shifted(window).of(part))
            made = Recomputed(values=values, changed=box, exact=False)
        self._new[name, number] = _Kept(
            values=made.values, exact=made.exact, pixel_noise=pixel_noise
        )
        return made

    def leave(self, network: Generator, x: Recomputed) -> Recomputed:
        """The last convolution, or a window of it."""
        before, size = self._kept.get("image"), x.values.shape[2:]
        if before is not None and x.changed is None:
            return self.compared("image", before.values, exact=before.exact)
        if before is None or x.changed is None or x.changed.share_of(size) > _MOST:
            return self.compared("image", network.leave(x.values), exact=x.exact)
        box = x.changed.grown(1, size)
        window = box.grown(1, size)
        part = box.shifted(window).of(network.leave(window.of(x.values)))
        values = _patched(before.values, box, part)
        self._new["image"] = _Kept(values=values, exact=False)
        return Recomputed(values=values, changed=box, exact=False)

    def _reach(
        self,
        before: _Kept | None,
        number: int,
        x: Recomputed,
        pixel_noise: torch.Tensor | None,
        *,
        filtered: bool,
    ) -> Box | None:
        """Where a block's features may be others than the last time."""
        if before is None:
            return None
        size = self._levels[number].labels_NHW.shape[1:]
        features = x.changed
        if features is not None and number:
            features = features.finer().grown(_REACH_OF_FILTER if filtered else 0, size)
        labels = self._relabelled[number]
        noise = None
        if pixel_noise is not None and before.pixel_noise is not None:
            noise = _difference(pixel_noise, before.pixel_noise)
        into = around(features, noise, labels and labels.grown(_REACH_OF_LABELS, size))
        return into and into.grown(_REACH_OF_CONVOLUTIONS, size)

    def _window(self, box: Box, number: int) -> Box:
        """What must be computed for a box; in whole cells of the block before."""
        window = box.grown(_RIM, self._levels[number].labels_NHW.shape[1:])
        return window.coarser().finer() if number else window


def _whole(values: torch.Tensor) -> Box:
    return Box(top=0, bottom=values.shape[-2], left=0, right=values.shape[-1])


def _difference(values: torch.Tensor, before: torch.Tensor) -> Box | None:
    return box_of((values != before).flatten(0, -3).any(0))


def _patched(values: torch.Tensor, box: Box, part: torch.Tensor) -> torch.Tensor:
    """A copy of values with a part replaced."""
    patched = values.clone()
    box.of(patched).copy_(part)
    return patched
