"""The configuration of packing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from histosyn.sources.pairs import Naming
from hpc.errors import ConfigError
from hpc.paths import settle_paths

TileFormat = Literal["png", "jpg"]
# Which of two annotations counts: the later one, as QuPath draws, or that of the later class.
Overlaps = Literal["later", "schema"]


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How folders become shards.

    `mpp` is microns per pixel, `tile_size` and `overlap` are pixels after resampling to it. Crops
    with less than `min_tissue`, a share, are left out. Where R, G and B all exceed
    `bright_to_class_0`, the original's rule, the label becomes 0, whatever was drawn there. Where
    label maps number objects, all of these become the class `objects_are`.

    `unlabelled` is the value of index files that stands for no label. `base_mpp` is that of the
    slides whose regions QuPath exported. Of slides, `unannotated` is the class of what no
    annotation covers, None for what the schema ignores, and `overlaps` says which of two
    annotations counts where both lie.
    """

    naming: Naming = field(default_factory=Naming)
    tile_size: int | None = None
    overlap: int = 0
    source_mpp: float | None = None
    base_mpp: float | None = None
    mpp: float | None = None
    groups: Path | None = None
    group_column: str = "patient"
    val: float = 0.0
    test: float = 0.0
    min_tissue: float = 0.0
    bright_to_class_0: int | None = None
    objects_are: str | None = None
    unlabelled: int | None = None
    unannotated: str | None = None
    overlaps: Overlaps = "later"
    tile_format: TileFormat = "png"
    seed: int = 0
    samples_per_shard: int = 512

    def __post_init__(self) -> None:
        settle_paths(self, "pack")
        for name in ("tile_size", "source_mpp", "base_mpp", "mpp", "samples_per_shard"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} = {value} must be positive.")
        if not 0 <= self.overlap < (self.tile_size or 1):
            raise ConfigError(
                f"overlap = {self.overlap} must be at least 0 and less than --tile-size, which "
                f"{'is not given' if self.tile_size is None else f'is {self.tile_size}'}."
            )
        if not 0 <= self.min_tissue <= 1:
            raise ConfigError(f"min_tissue = {self.min_tissue} must be a share from 0 to 1.")
        if self.bright_to_class_0 is not None and not 0 <= self.bright_to_class_0 < 255:
            raise ConfigError(f"bright_to_class_0 = {self.bright_to_class_0} must be in 0..254.")

    def scale_of(self, mpp: float | None) -> float:
        """By which factor a file at so many microns per pixel, None if unknown, is resized."""
        return 1.0 if self.mpp is None or mpp is None else mpp / self.mpp

    def as_dict(self) -> dict[str, Any]:
        """Plain data, the same wherever the data set lies: of paths only the names."""
        return asdict(self) | {"groups": self.groups.name if self.groups else None}
