"""A training run from its configuration: where everything is put together.

config → topology → process group → stream → players → trainer → observers
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from histosyn.config import (
    RESUMABLE_CHANGES,
    TrainConfig,
    as_toml,
    differing_fields,
    from_dict,
)
from histosyn.model_folder import ModelFacts, save_model
from histosyn.observers import DrawSamples, Report, SaveCheckpoint
from histosyn.players import Players
from histosyn.samples import SampleGrid
from histosyn.shards.index import DatasetIndex
from histosyn.shards.reader import ShardReader
from histosyn.shards.stream import ShardStream
from histosyn.trainer import Observer, Trainer
from hpc import checkpoint, collectives
from hpc.errors import ConfigError
from hpc.files import write_text
from hpc.log import MetricsFile, logger, set_up_logging
from hpc.process_group import device_of, process_group
from hpc.topology import Topology, detect

MakeObserver = Callable[[TrainConfig, Topology], Observer]


def run_training(config: TrainConfig, extra_observers: tuple[MakeObserver, ...] = ()) -> Path:
    """Train, or go on from the newest valid checkpoint of the run's folder.

    Writes the run folder as DESIGN has it, and `model/` when all steps are done; returns the path
    of that model. `extra_observers` are handed in from the floors above.
    """
    topology = detect()
    set_up_logging(topology, config.run.folder)
    device = device_of(topology, config.run.device)
    with process_group(topology, device):
        stream = _open_stream(config, topology)
        trainer = Trainer(config, stream, Players(config, len(stream.index.schema), device), device)
        metrics = MetricsFile(config.run.folder / "metrics.jsonl")
        _resume(trainer, metrics, topology)
        facts = _model_facts(config, stream.index)
        observers = (
            *_standard_observers(config, facts, metrics, topology),
            *(make(config, topology) for make in extra_observers),
        )
        _announce(trainer, stream.index, topology)
        trainer.train(observers)
        if topology.is_first:
            save_model(config.run.folder / "model", trainer.players.ema.network, facts)
            logger.info("done; model in %s", config.run.folder / "model")
        collectives.barrier()
    return config.run.folder / "model"


def _open_stream(config: TrainConfig, topology: Topology) -> ShardStream:
    data = config.data
    return ShardStream(
        data.shards,
        global_batch=data.global_batch,
        seed=config.run.seed,
        topology=topology,
        crop=data.crop,
        augmented=data.augment,
        workers=data.workers,
    )


def _standard_observers(
    config: TrainConfig, facts: ModelFacts, metrics: MetricsFile, topology: Topology
) -> tuple[Observer, ...]:
    run = config.run
    grid = SampleGrid(ShardReader(config.data.shards), seed=run.seed, crop=config.data.crop)
    return (
        Report(metrics, topology, run.report_every),
        DrawSamples(grid, run.folder / "samples", topology, run.sample_every),
        SaveCheckpoint(run.folder / "checkpoints", facts, topology, run.checkpoint_every),
    )


def _resume(trainer: Trainer, metrics: MetricsFile, topology: Topology) -> None:
    """Load the newest valid checkpoint, the same on every rank, and tidy what came after it."""
    folder = trainer.config.run.folder
    newest = collectives.decided_by_first(lambda: checkpoint.newest_valid(folder / "checkpoints"))
    if newest is not None:
        state = checkpoint.load(newest)
        _check_resumable(from_dict(TrainConfig, state["config"], str(newest)), trainer.config)
        trainer.load(state["trainer"])
    if topology.is_first:
        metrics.forget_after(trainer.step)
        write_text(folder / "config.toml", as_toml(trainer.config))
    collectives.barrier()


def _check_resumable(old: TrainConfig, new: TrainConfig) -> None:
    changed = [name for name in differing_fields(old, new) if name not in RESUMABLE_CHANGES]
    if changed:
        raise ConfigError(
            f"{new.run.folder} was started with other settings: {', '.join(changed)} changed. "
            "Restore them to go on, or start a new run with another --run.folder."
        )


def _model_facts(config: TrainConfig, index: DatasetIndex) -> ModelFacts:
    size = (config.data.crop, config.data.crop) if config.data.crop else index.tile_size
    return ModelFacts(
        generator=config.generator,
        schema=index.schema,
        tile_size=size,
        mpp=index.mpp,
        training={
            "steps": config.run.steps,
            "global_batch": config.data.global_batch,
            "seed": config.run.seed,
            "tiles": len(index),
            "shards_sha256": [shard.sha256 for shard in index.shards],
            "histosyn": version("histosyn"),
            "torch": torch.__version__,
        },
    )


def _announce(trainer: Trainer, index: DatasetIndex, topology: Topology) -> None:
    if topology.is_first:
        logger.info(
            "%s: step %d of %d, %d tiles of %dx%d, %d processes, %s",
            trainer.config.run.folder, trainer.step, trainer.config.run.steps, len(index),
            *index.tile_size, topology.world_size, trainer.device,
        )  # fmt: skip
