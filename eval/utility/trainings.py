"""Running the trainings of a utility experiment, and testing what they made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.segmenter.config import DataConfig, RunConfig, SegmenterConfig
from eval.segmenter.confusion import by_unit, confusions_of_tiles, require_all
from eval.segmenter.labelled_tiles import ShardTiles
from eval.segmenter.model import load_segmenter
from eval.segmenter.pixel_scores import Counts
from eval.segmenter.training import train_segmenter
from eval.utility.arms import arm_plans, work_of
from eval.utility.batches import open_batches_of
from eval.utility.config import UtilityConfig, saved_precision
from eval.utility.plan import PlannedTraining, Sources
from hpc.errors import ConfigError
from hpc.files import sha256_of_bytes, write_json
from hpc.log import RecordsFile
from hpc.precision import settled
from hpc.preemption import StopRequest
from hpc.process_group import device_of
from hpc.records import Count, Records, Text
from hpc.topology import Topology

_TEST_NAME, _METRICS = "test.json", "metrics.jsonl"
_BATCH_SIZE = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Confusion matrices (U, K, K) of a training's segmenter on the test tiles, by patient.

    `minutes` are those that its steps took, on whatever machine that was.
    """

    planned: PlannedTraining
    units: tuple[str, ...]
    confusion_UKK: Counts
    tiles: int
    segmenter_sha256: str
    training: dict[str, Any]
    minutes: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Test:
    """What `test.json` says."""

    data_sha256: Text
    segmenter_sha256: Text
    training: dict[str, Any]
    tiles: Count
    units: tuple[str, ...]
    confusion: tuple[tuple[tuple[Count, ...], ...], ...]
    minutes: float | None = None


_TESTS = Records(kind=_Test, remedy="Remove it and run the command again.")


def folder_of(planned: PlannedTraining, config: UtilityConfig) -> Path:
    """The run folder of a training."""
    return config.experiment.folder / "trainings" / planned.name


def with_settled_precision(config: UtilityConfig) -> UtilityConfig:
    """The configuration with one precision for all trainings: that in which they were begun."""
    training = config.training
    if training.precision != "auto":
        return config
    device = device_of(Topology(), training.device)
    precision = settled("auto", device, saved_precision(config.experiment.folder))
    return replace(config, training=replace(training, precision=precision))


def run_trainings(
    trainings: Iterable[PlannedTraining], sources: Sources, config: UtilityConfig, stop: StopRequest
) -> None:
    """Train and test what is not done yet; each training goes on where it stopped.

    Raises Stopped if the process was asked to stop, whatever training and testing raise, and
    DatasetError for test tiles that cannot be used.
    """
    for planned in trainings:
        if find_outcome(planned, sources, config) is None:
            model = _train(planned, sources, config, stop)
            _test(planned, model, sources, config)


def find_outcome(
    planned: PlannedTraining, sources: Sources, config: UtilityConfig
) -> Outcome | None:
    """The test of a training, if it was made; ConfigError if it was made with other data."""
    path = folder_of(planned, config) / _TEST_NAME
    if not path.is_file():
        return None
    found = _TESTS.read(path)
    if found.data_sha256 != _data_sha256(planned, sources):
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
        planned=planned,
        units=found.units,
        confusion_UKK=confusion_UKK,
        tiles=found.tiles,
        segmenter_sha256=found.segmenter_sha256,
        training=found.training,
        minutes=found.minutes,
    )


def _train(
    planned: PlannedTraining, sources: Sources, config: UtilityConfig, stop: StopRequest
) -> Path:
    return train_segmenter(
        _training_config(planned, config),
        open_batches=lambda segmenter_config, topology: open_batches_of(planned, sources, config),
        facts=_training_facts(planned, sources),
        stop=stop,
    )


def _training_config(planned: PlannedTraining, config: UtilityConfig) -> SegmenterConfig:
    training, data = config.training, config.data
    steps = work_of(arm_plans(config)[planned.arm], config).all_steps
    return SegmenterConfig(
        data=DataConfig(
            shards=data.real, global_batch=data.global_batch, crop=data.crop,
            stain_jitter=data.stain_jitter, workers=data.workers,
        ),
        network=config.network,
        optimizer=config.optimizer,
        loss=config.loss,
        run=RunConfig(
            folder=folder_of(planned, config), seed=planned.seed, keep_last=1,
            **asdict(training) | {"steps": steps},
        ),
    )  # fmt: skip


def _training_facts(planned: PlannedTraining, sources: Sources) -> dict[str, Any]:
    """What a model says of its training besides what is recorded of every training."""
    plan = sources.arm(planned)
    facts: dict[str, Any] = {
        "arm": planned.arm,
        "real_share": planned.share,
        "data_sha256": _data_sha256(planned, sources),
    }
    if plan.uses_real:
        facts["real_patients"] = sources.patients(planned.share, planned.seed)
        facts["real_tiles"] = len(sources.rows(planned.share, planned.seed))
    if plan.uses_synthetic:
        facts["synthetic_tiles"] = len(sources.synthetic_for(planned).index)
    return facts


def _data_sha256(planned: PlannedTraining, sources: Sources) -> str:
    """Of all that the segmenter is trained and tested on."""
    learnt: list[object] = []
    plan = sources.arm(planned)
    if plan.uses_real:
        rows = sources.rows(planned.share, planned.seed).tolist()
        learnt += [sources.real.index.identity, rows]
    if plan.uses_synthetic:
        learnt.append(sources.synthetic_for(planned).index.identity)
    return sha256_of_bytes(json.dumps([learnt, sources.test.index.identity]).encode())


def _test(planned: PlannedTraining, model: Path, sources: Sources, config: UtilityConfig) -> None:
    """Segment the test tiles and write the confusion matrices, by patient."""
    segmenter = load_segmenter(model, device_of(Topology(), config.training.device))
    tiles = ShardTiles(config.data.test)
    confusions = confusions_of_tiles(segmenter, tiles, batch_size=_BATCH_SIZE)
    require_all(confusions, "test", len(tiles))
    units, confusion_UKK = by_unit(confusions)
    write_json(
        folder_of(planned, config) / _TEST_NAME,
        {
            "cell": asdict(planned),
            "data_sha256": _data_sha256(planned, sources),
            "segmenter_sha256": segmenter.sha256,
            "training": segmenter.facts.training,
            "tiles": len(confusions.label_keys),
            "units": list(units),
            "confusion": confusion_UKK.tolist(),
            "minutes": _minutes(folder_of(planned, config)),
        },
    )


def _minutes(folder: Path) -> float | None:
    """Of all its reports together: what a restart did again is not counted."""
    seconds, before = 0.0, 0
    for report in RecordsFile(folder / _METRICS).look().records:
        images, speed = report.get("images_seen"), report.get("images_per_second")
        if not isinstance(images, int) or not isinstance(speed, (int, float)) or speed <= 0:
            return None
        seconds += (images - before) / speed
        before = images
    return round(seconds / 60, 3) if before else None
