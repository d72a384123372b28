"""Evaluation of a trial: its tiles beside the real tiles of the same label maps.

The label maps, the noise and the networks that measure are the same for all trials and steps of a
sweep, so two values differ by the generators alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import reproducible_inference
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import to_uint8
from histosyn.shards.dataset import open_shards
from histosyn.training.sample_grid import SampleGrid
from hpc.errors import DatasetError
from hpc.randomness import key_of
from tune.measuring.measures import Measuring, RealTiles, open_measure
from tune.plan.objective import Objective
from tune.plan.settings import SweepConfig


class Evaluator:
    """Chosen validation tiles, measured, and the means to measure a generator against them.

    Raises InputError or DatasetError if the validation shards are missing, damaged, or hold a
    single tile, and InputError if the objective needs what is not there.
    """

    def __init__(self, config: SweepConfig, objective: Objective, device: torch.device) -> None:
        reader = open_shards(config.validation)
        chosen = SampleGrid(reader, seed=config.seed, crop=None, count=config.evaluation_tiles)
        if len(chosen.tiles) < 2:
            raise DatasetError(
                f"{config.validation} holds a single tile, which has no distribution. Pack more."
            )
        self.seed = config.seed
        self.index = reader.index
        index = reader.index
        self.real = RealTiles(
            name=str(config.validation),
            tiles_NHWC=np.stack(chosen.tiles),
            labels_NHW=np.stack(chosen.labels),
            groups=tuple(index.entry(*index.place(row)).group for row in chosen.rows),
            schema=index.schema,
        )
        self.measures: dict[str, Measuring] = {
            name: open_measure(measure, self.real, config.seed, device)
            for name, measure in objective.measures.items()
        }

    def values(self, generator: Generator, batch_size: int) -> dict[str, float]:
        """Each measure of what the generator makes, `batch_size` tiles at a time."""
        tiles_NHWC = self.synthetic(generator, batch_size)
        return {name: each.value(tiles_NHWC, batch_size) for name, each in self.measures.items()}

    def synthetic(self, generator: Generator, batch_size: int) -> NDArray[np.uint8]:
        """What a generator makes of the label maps with the sweep's noise: (N, H, W, 3)."""
        rows = range(0, len(self.real.labels_NHW), batch_size)
        return np.concatenate(
            [
                self._synthesize(generator, self.real.labels_NHW[row : row + batch_size], row)
                for row in rows
            ]
        )

    def _synthesize(
        self, generator: Generator, labels_NHW: NDArray[np.uint8], first: int
    ) -> NDArray[np.uint8]:
        weight = generator.exit.weight
        keys = [
            key_of(self.seed, "sweep evaluation", first + number)
            for number in range(len(labels_NHW))
        ]
        height, width = labels_NHW.shape[1:]
        noise = draw_noise(keys, generator.config, height, width, weight.device)
        labels = torch.from_numpy(labels_NHW).long().to(weight.device)
        with reproducible_inference():
            return to_uint8(generator(labels, noise.to(weight.dtype)))
