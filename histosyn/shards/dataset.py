"""Opening a folder of shards, whoever made them."""

from __future__ import annotations

from pathlib import Path

from histosyn.shards.index_file import load_index
from histosyn.shards.reader import ShardReader


def open_shards(folder: Path) -> ShardReader:
    """A reader of a packed data set."""
    return ShardReader(load_index(folder), folder)
