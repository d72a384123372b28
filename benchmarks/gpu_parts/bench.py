"""What every part is given: the device, how large to measure, where files lie, how much time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

# A row of a table: what was measured, by name. Numbers, texts, or None.
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large to measure: `FULL` on a GPU, `TOY` where only the code is to be tried."""

    name: str
    # Pixels a side and the batch that is trained on, channels at full resolution.
    batches: Mapping[int, int]
    channels: tuple[int, ...]
    # Of correctness: small networks, which float64 on a CPU can follow.
    small_size: int
    small_channels: int
    # Tiles of the data set, and pixels a side.
    tiles: int
    tile_size: int
    # Pixels a side of a tile and of a large image that are synthesized.
    synthesized: tuple[int, int]
    matmul_side: int
    warm_up: int
    repeats: int
    # In training and synthesis, the most telling first.
    precisions: tuple[str, ...] = ("bfloat16", "float32", "tf32")
    # What networks have besides the defaults and their channels.
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # How many times as long as on a GPU parts may take.
    patience: float = 1.0
    # Instead of a time.
    steps_of_recipe: int | None = None


FULL = Scale(
    name="full", batches={256: 8, 512: 4}, channels=(64, 32), small_size=128, small_channels=16,
    tiles=128, tile_size=512, synthesized=(512, 4096), matmul_side=8192, warm_up=3, repeats=7,
)  # fmt: skip
TOY = Scale(
    name="toy", batches={64: 2}, channels=(4,), small_size=64, small_channels=4, tiles=8,
    tile_size=64, synthesized=(64, 1088), matmul_side=128, warm_up=1, repeats=1,
    precisions=("float32",), patience=10.0, steps_of_recipe=2,
    networks={
        "generator": {"label_channels": 8, "noise_channels": 8, "max_multiplier": 2,
                      "upsamplings": 4},
        "discriminator": {"layers": 2, "scales": 1},
    },
)  # fmt: skip
SCALES = {scale.name: scale for scale in (FULL, TOY)}


@dataclass(kw_only=True, eq=False)
class Bench:
    """A part's surroundings. `folder` is that of the results; files of parts lie below it."""

    device: torch.device
    scale: Scale
    folder: Path
    seconds: float
    shards_given: Path | None = None
    _started: float = field(default_factory=time.monotonic)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_toy(self) -> bool:
        return self.scale.name == "toy"

    @property
    def left(self) -> float:
        """Seconds until the part should have ended."""
        return self.seconds - (time.monotonic() - self._started)

    @property
    def shards(self) -> Path:
        """What is trained on."""
        return self.shards_given or self.folder / "data" / "packed" / "train"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A group of measurements that is done in one go, in no more than so many seconds.

    `work` yields its rows, the most important ones first: those that time does not allow are left
    out, and named. A part that takes much longer is killed, and keeps the rows that it gave.
    """

    name: str
    title: str
    seconds: float
    work: Callable[[Bench], Iterator[Row]]


def as_time_allows(bench: Bench, cases: Mapping[str, Callable[[], Row]]) -> Iterator[Row]:
    """A row of each case. What fails, or comes too late, has a row that says so."""
    longest = 0.0
    for name, measure in cases.items():
        if bench.left < longest:
            yield {"case": name, "note": "left out: no time"}
            continue
        started = time.monotonic()
        try:
            row = {"case": name} | measure()
        except torch.cuda.OutOfMemoryError:
            row = {"case": name, "note": "out of memory"}
        longest = max(longest, time.monotonic() - started)
        yield row
