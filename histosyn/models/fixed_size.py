"""Checks of sizes for generators of one tile size: those with a linear layer on the noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from histosyn.config.networks import GeneratorConfig
from histosyn.images.file import size_in_header
from hpc.errors import LabelError

Size = tuple[int, int]  # height, width


def sizes_that_matter(label_maps: Iterable[Path], config: GeneratorConfig) -> dict[str, Size]:
    """The sizes of these files as their headers tell; nothing for a generator of any size."""
    if config.fixed_side is None:
        return {}
    sizes = {str(path): size_in_header(path) for path in label_maps}
    return {name: size for name, size in sizes.items() if size is not None}


def require_sizes(sizes: Mapping[str, Size], config: GeneratorConfig) -> None:
    """LabelError, naming the first, if the generator makes tiles of one size and not of these."""
    side = config.fixed_side
    wrong = sorted(name for name, size in sizes.items() if side and size != (side, side))
    if wrong:
        height, width = sizes[wrong[0]]
        others = f" ({len(wrong)} such label maps)" if len(wrong) > 1 else ""
        raise LabelError(
            f"{wrong[0]} is {width}x{height} pixels, and this model makes tiles of {side}x{side} "
            f"only{others}. Cut label maps of that size; stretching them would change the scale."
        )
