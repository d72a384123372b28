"""A segmenter small enough for tests, and how to train it on blobs."""

from __future__ import annotations

from pathlib import Path

from eval.segmenter.config import DataConfig, NetworkConfig, RunConfig, SegmenterConfig


def tiny_segmenter(shards: Path, folder: Path, **run: object) -> SegmenterConfig:
    """The smallest U-Net that has every part, and a run of a few float64 steps."""
    settings = {"steps": 8, "precision": "float64", "device": "cpu", "report_every": 1,
                "checkpoint_every": 100} | run  # fmt: skip
    return SegmenterConfig(
        data=DataConfig(shards=shards, global_batch=4, workers=0),
        network=NetworkConfig(base_channels=4, max_multiplier=2, halvings=2),
        run=RunConfig(folder=folder, **settings),
    )
