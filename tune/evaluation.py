"""Evaluation of a trial: Fréchet distance of its tiles from real tiles with the same label maps.

The label maps, the noise and the extractor are the same for all trials and steps of a sweep, so two
distances differ by the generators alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet, distance, measure
from eval.extractors.choice import open_extractor
from eval.features.content import Content
from eval.features.extractor import Extractor, reproducible_inference
from eval.features.tile_batches import TileBatch
from eval.features.tile_sources import TileArray
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import to_uint8
from histosyn.shards.dataset import open_shards
from histosyn.training.sample_grid import SampleGrid
from hpc.errors import DatasetError
from hpc.files import sha256_of_bytes
from hpc.randomness import key_of
from tune.config import SweepConfig

# Real tiles a pass through the extractor; it changes speed and memory only.
_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticTiles:
    """A source of tiles: what a generator makes of label maps (N, H, W), with fixed noise."""

    generator: Generator
    labels_NHW: NDArray[np.uint8]
    seed: int
    name: str = field(default="synthetic tiles", init=False)
    preparation: str = field(default="none", init=False)

    def __len__(self) -> int:
        return len(self.labels_NHW)

    def batches(self, size: int) -> Iterator[TileBatch]:
        """Yield the tiles, `size` at a time."""
        for start in range(0, len(self), size):
            numbers = range(start, min(start + size, len(self)))
            yield TileBatch.of(self._synthesize(numbers), start)

    def content(self) -> Content:
        """What the generator is shown; the generator itself is told by the trial and its step."""
        shown = repr((self.labels_NHW.shape, self.seed)).encode() + self.labels_NHW.tobytes()
        return Content(sha256=sha256_of_bytes(shown), covers="label maps and seed of the noise")

    def _synthesize(self, numbers: range) -> NDArray[np.uint8]:
        weight = self.generator.exit.weight
        labels = torch.from_numpy(self.labels_NHW[numbers.start : numbers.stop])
        keys = [key_of(self.seed, "sweep evaluation", number) for number in numbers]
        height, width = labels.shape[1:]
        noise = draw_noise(keys, self.generator.config, height, width, weight.device)
        with reproducible_inference():
            tiles = self.generator(labels.long().to(weight.device), noise.to(weight.dtype))
        return to_uint8(tiles)


class Evaluator:
    """Chosen validation tiles, measured, and the means to measure a generator against them.

    Raises InputError or DatasetError if the validation shards are missing, damaged, or hold a
    single tile.
    """

    def __init__(self, config: SweepConfig, device: torch.device) -> None:
        reader = open_shards(config.validation)
        chosen = SampleGrid(reader, seed=config.seed, crop=None, count=config.evaluation_tiles)
        if len(chosen.tiles) < 2:
            raise DatasetError(
                f"{config.validation} holds a single tile, which has no distribution. Pack more."
            )
        self.seed = config.seed
        self.index = reader.index
        self.labels_NHW = np.stack(chosen.labels)
        self.extractor: Extractor = open_extractor("random", seed=config.seed, device=device)
        tiles = TileArray(name=str(config.validation), tiles_NHWC=np.stack(chosen.tiles))
        self.real: FeatureSet = measure(tiles, self.extractor, batch_size=_BATCH)

    def distance(self, generator: Generator, batch_size: int) -> float:
        """Squared Fréchet distance of what the generator makes, `batch_size` tiles at a time."""
        tiles = SyntheticTiles(generator=generator, labels_NHW=self.labels_NHW, seed=self.seed)
        return distance(self.real, measure(tiles, self.extractor, batch_size=batch_size))
