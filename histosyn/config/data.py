"""Section `data`: what is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histosyn.config.bounds import require_at_least, require_at_most
from hpc.errors import ConfigError
from hpc.paths import settle_paths


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on."""

    shards: Path
    """Folder of shards, such as packed/train."""
    global_batch: int = 8
    """Tiles a step, over all processes together."""
    crop: int | None = None
    """Train on random square crops of this many pixels. Default: whole tiles."""
    augment: bool = True
    """Flip and turn the tiles at random."""
    stain_jitter: float = 0.0
    """More or less of each stain at random, by up to this share; 0.1 is plausible, 0.2 much."""
    rare_class_threshold: float | None = None
    """Show tiles more often that hold a class found in a smaller share of the tiles than this."""
    workers: int = 1
    """Loader processes for each training process."""
    schema: str | None = None
    """Label schema of shards that histosyn did not pack: a built-in name or a TOML file."""
    on_bad_sample: Literal["error", "skip"] = "error"
    """Stop at a damaged sample, or show another in its place and list it in bad-samples.jsonl."""
    bad_share: float = 0.01
    """With skip: stop nevertheless when a larger share of the samples is bad."""
    stage_to: Path | None = None
    """Folder on the node's own disk to copy the shards to before training, such as $TMPDIR."""

    def __post_init__(self) -> None:
        # Each node has a place of its own for the copies.
        settle_paths(self, "data", later=("stage_to",))
        require_at_most(self, global_batch=1 << 20, workers=1024, crop=1 << 16)
        require_at_least(self, global_batch=1, workers=0, crop=1, stain_jitter=0.0, bad_share=0.0)
        for name in ("stain_jitter", "bad_share"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"data.{name} = {getattr(self, name)} must lie in [0, 1).")
        if self.rare_class_threshold is not None and not 0 < self.rare_class_threshold <= 1:
            raise ConfigError(
                f"data.rare_class_threshold = {self.rare_class_threshold} must lie in (0, 1]."
            )
