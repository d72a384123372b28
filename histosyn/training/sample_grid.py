"""The sample grid of a run: the same label maps and the same noise at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from histosyn.images.origin import synthetic_png_bytes
from histosyn.labels.label_map import LabelSchema, colorize
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import to_uint8
from histosyn.shards.reader import ShardReader
from histosyn.spectra.energies import NAMES, ratios, tile_energies
from histosyn.stain.code import as_floats, stain_code
from histosyn.training.grid_picture import grid_picture
from histosyn.training.trainer import Trainer
from hpc.deferred_writes import DeferredWrites
from hpc.device_copies import sent
from hpc.errors import DatasetError, SampleError
from hpc.files import write_bytes
from hpc.log import RecordsFile
from hpc.progress import timed
from hpc.randomness import distinct_integers, key_of
from hpc.topology import Topology

_SPARE = 4


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A grid, and energy by frequency in its tiles, synthetic over real (see `histosyn.spectra`).

    None for what is undefined: tiles may be flat, or too small for a wave.
    """

    png: bytes
    spectra: dict[str, float | None]


class SampleGrid:
    """Columns of label map, real tile and synthetic tile, drawn from a few fixed samples."""

    def __init__(
        self,
        reader: ShardReader,
        *,
        seed: int,
        crop: int | None,
        count: int = 8,
        skip_bad: bool = False,
    ) -> None:
        self.schema: LabelSchema = reader.index.schema
        self.seed = seed
        chosen = _chosen(reader, seed, count, skip_bad)
        self.rows = [row for row, _ in chosen]
        samples = [_centre(*pair, crop) for _, pair in chosen]
        self.tiles = [tile for tile, _ in samples]
        self.labels = [labels for _, labels in samples]
        # Each tile is made in the stain of the real one beside it.
        self._stains = [stain_code(as_floats(tile)) for tile in self.tiles]

    def draw(self, generator: Generator, title: str = "") -> Drawn:
        """The grid as PNG, and what its tissue has of the frequencies of real tissue."""
        synthetic = [self._synthesize(generator, i) for i in range(len(self.labels))]
        rows = {
            "label maps": [colorize(labels, self.schema) for labels in self.labels],
            "real tiles": self.tiles,
            "synthetic tiles": synthetic,
        }
        return Drawn(
            png=synthetic_png_bytes(grid_picture(rows, title, self.schema)),
            spectra=_spectra(self.tiles, synthetic),
        )

    @torch.no_grad()
    def _synthesize(self, generator: Generator, number: int) -> np.ndarray:
        weight = generator.exit.weight
        height, width = self.labels[number].shape
        labels = torch.from_numpy(self.labels[number]).long()[None]
        key = key_of(self.seed, "sample grid", number)
        noise = draw_noise([key], generator.config, height, width, weight.device)
        noise = replace(noise, stain=sent(self._stains[number], weight.device))
        return to_uint8(generator(labels, noise.to(weight.device, weight.dtype)))[0]


class DrawSamples:
    """Writes `samples/step-*.png`: fixed label maps, fixed noise, the moving average's tissue.

    Beside it, in `spectra.jsonl`, how its energy by frequency compares with that of the real tiles.
    """

    def __init__(
        self,
        grid: SampleGrid,
        run_folder: Path,
        deferred_writes: DeferredWrites,
        topology: Topology,
        interval: int,
    ) -> None:
        self.grid = grid
        self.folder = run_folder / "samples"
        self.spectra = RecordsFile(run_folder / "spectra.jsonl")
        self.deferred_writes = deferred_writes
        self.topology = topology
        self.interval = interval

    def __call__(self, trainer: Trainer) -> None:
        """Draw on rank 0; the others go on and wait at the next collective."""
        generator = trainer.averaged_generator()
        if self.topology.is_first:
            path = self.folder / f"step-{trainer.step:08d}.png"
            with timed("sample grid"):
                drawn = self.grid.draw(
                    # The run's name would make other bytes of the same tissue in another folder.
                    generator,
                    f"step {trainer.step:,}",
                )
            self.deferred_writes.write(path, partial(write_bytes, path, drawn.png))
            record = {"step": trainer.step, **drawn.spectra}
            self.deferred_writes.write(self.spectra.path, partial(self._note, record))

    def _note(self, record: dict[str, Any]) -> None:
        """In place of what a run that was cut off has noted of this step, or of later ones."""
        self.spectra.truncate_after(record["step"] - 1)
        self.spectra.append(record)


def _spectra(real: list[np.ndarray], synthetic: list[np.ndarray]) -> dict[str, float | None]:
    means = (np.mean(list(map(tile_energies, tiles)), axis=0) for tiles in (real, synthetic))
    named = zip(NAMES, ratios(*means).tolist(), strict=True)
    return {name: value if math.isfinite(value) else None for name, value in named}


def _chosen(
    reader: ShardReader, seed: int, count: int, skip_bad: bool
) -> list[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """`count` fixed samples with their rows; more are at hand for those that cannot be used."""
    key = key_of(seed, "sample choice")
    rows = distinct_integers(key, count * (_SPARE if skip_bad else 1), len(reader.index))
    pairs: list[tuple[int, tuple[np.ndarray, np.ndarray]]] = []
    for row in rows:
        try:
            pairs.append((row, reader.read(*reader.index.place(row))))
        except SampleError:
            if not skip_bad:
                raise
        if len(pairs) == count:
            break
    if not pairs:
        raise DatasetError(f"None of {len(rows)} samples of {reader.folders[-1]} can be used.")
    return pairs


def _centre(
    tile: np.ndarray, labels: np.ndarray, crop: int | None
) -> tuple[np.ndarray, np.ndarray]:
    if crop is None:
        return tile, labels
    top, left = ((side - crop) // 2 for side in labels.shape)
    window = slice(top, top + crop), slice(left, left + crop)
    return tile[window], labels[window]
