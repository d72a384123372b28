"""Running the trainings of a utility experiment, and testing what they made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.segmenter.config import DataConfig, RunConfig, SegmenterConfig
from eval.segmenter.confusion import by_unit, read_tiles, require_all
from eval.segmenter.labelled_tiles import ShardTiles
from eval.segmenter.model import load_segmenter
from eval.segmenter.pixel_scores import Counts
from eval.segmenter.training import train_segmenter
from eval.utility.batches import open_cell
from eval.utility.config import UtilityConfig, saved_precision
from eval.utility.plan import Cell, Sources
from hpc.errors import ConfigError
from hpc.files import sha256_of_bytes, write_json
from hpc.precision import settled
from hpc.preemption import StopRequest
from hpc.process_group import device_of
from hpc.records import Count, Records, Text
from hpc.topology import Topology

_TEST_NAME = "test.json"
_BATCH_SIZE = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What the segmenter of a cell reads in the test tiles: counts (U, K, K) of each patient."""

    cell: Cell
    units: tuple[str, ...]
    confusion_UKK: Counts
    tiles: int
    segmenter_sha256: str
    training: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Test:
    """What `test.json` says."""

    data_sha256: Text
    segmenter_sha256: Text
    training: dict[str, Any]
    tiles: Count
    units: tuple[str, ...]
    confusion: tuple[tuple[tuple[Count, ...], ...], ...]


_TESTS = Records(kind=_Test, remedy="Remove it and run the command again.")


def folder_of(cell: Cell, config: UtilityConfig) -> Path:
    """Where a cell is trained."""
    return config.experiment.folder / "trainings" / cell.name


def with_settled_precision(config: UtilityConfig) -> UtilityConfig:
    """The configuration with one precision for all trainings: that in which they were begun."""
    training = config.training
    if training.precision != "auto":
        return config
    device = device_of(Topology(), training.device)
    precision = settled("auto", device, saved_precision(config.experiment.folder))
    return replace(config, training=replace(training, precision=precision))


def run_cells(
    cells: Iterable[Cell], sources: Sources, config: UtilityConfig, stop: StopRequest
) -> None:
    """Train and test the cells that are not done; each goes on where it stopped.

    Raises Stopped if the process was asked to stop, whatever training and testing raise, and
    DatasetError for test tiles that cannot be used.
    """
    for cell in cells:
        if find_outcome(cell, sources, config) is None:
            model = _train(cell, sources, config, stop)
            _test(cell, model, sources, config)


def find_outcome(cell: Cell, sources: Sources, config: UtilityConfig) -> Outcome | None:
    """The test of a cell, if it was made. Raises ConfigError if it was made with other data."""
    path = folder_of(cell, config) / _TEST_NAME
    if not path.is_file():
        return None
    found = _TESTS.read(path)
    if found.data_sha256 != _data_sha256(cell, sources):
        raise ConfigError(
            f"{path} was made with other real, synthetic or test tiles than those of the "
            "configuration. Restore them, or choose another experiment.folder."
        )
    classes = len(sources.test.index.schema)
    try:
        confusion_UKK = np.array(found.confusion, dtype=np.int64)
    except ValueError:  # rows of different lengths
        confusion_UKK = np.zeros(0, dtype=np.int64)
    if confusion_UKK.shape != (len(found.units), classes, classes):
        wanted = f"for each of {len(found.units)} units {classes} rows of {classes} numbers"
        raise _TESTS.damaged(str(path), f"confusion: expected {wanted}")
    return Outcome(
        cell=cell,
        units=found.units,
        confusion_UKK=confusion_UKK,
        tiles=found.tiles,
        segmenter_sha256=found.segmenter_sha256,
        training=found.training,
    )


def _train(cell: Cell, sources: Sources, config: UtilityConfig, stop: StopRequest) -> Path:
    return train_segmenter(
        _training_config(cell, config),
        open_batches=lambda segmenter_config, topology: open_cell(cell, sources, config),
        facts=_cell_facts(cell, sources),
        stop=stop,
    )


def _training_config(cell: Cell, config: UtilityConfig) -> SegmenterConfig:
    training, data = config.training, config.data
    return SegmenterConfig(
        data=DataConfig(
            shards=data.real, global_batch=data.global_batch, crop=data.crop,
            stain_jitter=data.stain_jitter, workers=data.workers,
        ),
        network=config.network,
        optimizer=config.optimizer,
        loss=config.loss,
        run=RunConfig(
            folder=folder_of(cell, config), seed=cell.seed, keep_last=1, **asdict(training)
        ),
    )  # fmt: skip


def _cell_facts(cell: Cell, sources: Sources) -> dict[str, Any]:
    """What the model of a cell says of its training, beside what every training does."""
    facts: dict[str, Any] = {
        "arm": cell.arm,
        "real_share": cell.share,
        "data_sha256": _data_sha256(cell, sources),
    }
    if cell.arm != "synthetic":
        facts["real_patients"] = sources.patients(cell.share, cell.seed)
        facts["real_tiles"] = len(sources.rows(cell.share, cell.seed))
    if cell.arm in ("synthetic", "real+synthetic"):
        facts["synthetic_tiles"] = len(sources.synthetic_for(cell).index)
    return facts


def _data_sha256(cell: Cell, sources: Sources) -> str:
    """Of all that the cell learns from and is tested on."""
    learnt: list[object] = []
    if cell.arm != "synthetic":
        rows = sources.rows(cell.share, cell.seed).tolist()
        learnt += [sources.real.index.identity, rows]
    if cell.arm in ("synthetic", "real+synthetic"):
        learnt.append(sources.synthetic_for(cell).index.identity)
    return sha256_of_bytes(json.dumps([learnt, sources.test.index.identity]).encode())


def _test(cell: Cell, model: Path, sources: Sources, config: UtilityConfig) -> None:
    """Read the test tiles and write down what was read, by patient."""
    segmenter = load_segmenter(model, device_of(Topology(), config.training.device))
    tiles = ShardTiles(config.data.test)
    reading = read_tiles(segmenter, tiles, batch_size=_BATCH_SIZE)
    require_all(reading, "test", len(tiles))
    units, confusion_UKK = by_unit(reading)
    write_json(
        folder_of(cell, config) / _TEST_NAME,
        {
            "cell": asdict(cell),
            "data_sha256": _data_sha256(cell, sources),
            "segmenter_sha256": segmenter.sha256,
            "training": segmenter.facts.training,
            "tiles": len(reading.label_keys),
            "units": list(units),
            "confusion": confusion_UKK.tolist(),
        },
    )
