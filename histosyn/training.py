"""A training run from its configuration: where everything is put together.

config → topology → process group → stream → players → trainer → observers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from histosyn.bad_samples import ListBadSamples
from histosyn.config import (
    RESUMABLE_CHANGES,
    TrainConfig,
    as_toml,
    differing_fields,
    from_dict,
)
from histosyn.fork import take_over_networks
from histosyn.model_folder import model_facts, save_model
from histosyn.observers import (
    DrawSamples,
    KeepState,
    NoticeFailedSave,
    Report,
    SaveCheckpoint,
    ShowProgress,
    checkpoint_state,
)
from histosyn.players import Players
from histosyn.sample_grid import SampleGrid
from histosyn.shards.index import DatasetIndex
from histosyn.trainer import Observer, Trainer
from histosyn.training_data import open_stream, stage_shards
from hpc import checkpoint, collectives
from hpc.errors import ConfigError
from hpc.files import write_text
from hpc.locks import locked
from hpc.log import RecordsFile, logger, on_terminal, progress_bar, set_up_logging
from hpc.preemption import Stopped, StopRequest
from hpc.process_group import device_of, one_voice, process_group
from hpc.run_state import FINISHED, Ending, StateKeeper, record_ending
from hpc.saver import Saver
from hpc.topology import Topology, detect
from hpc.watchdog import Watchdog

_LEAST_FEATURE_PIXELS = 2
MakeObserver = Callable[[TrainConfig, Topology], Observer]


def run_training(
    config: TrainConfig,
    extra_observers: tuple[MakeObserver, ...] = (),
    stop: StopRequest | None = None,
) -> Path:
    """Train, or go on from the newest valid checkpoint of the run's folder.

    Writes the run folder as DESIGN has it, and `model/` when all steps are done; returns the path
    of that model. `extra_observers` are handed in from the floors above, and `stop` if somebody
    listens already. Raises Stopped if the run was asked to stop; on all ranks but one, what ends
    them becomes SystemExit.
    """
    topology = detect()
    set_up_logging(topology, config.run.folder)
    with ExitStack() as held:
        if stop is None:
            stop = held.enter_context(stop_request(config))
        with one_voice(topology):
            device = device_of(topology, config.run.device)
        with process_group(topology, device, timeout_seconds=config.run.hang_seconds) as watchdog:
            collectives.decided_by_first(lambda: held.enter_context(_lock(config.run.folder)))
            stopped = _train(config, extra_observers, stop, watchdog, device)
    if stopped is not None:
        raise stopped if topology.is_first else SystemExit(stopped.reason.exit_code)
    return config.run.folder / "model"


def stop_request(config: TrainConfig) -> StopRequest:
    """What listens for requests to stop this run."""
    run = config.run
    return StopRequest(run.folder, seconds_before_end=run.stop_seconds_before_end)


def _lock(folder: Path) -> AbstractContextManager[None]:
    return locked(
        folder / "lock",
        busy=f"Another process is training in {folder}. Wait for it, or choose another "
        "--run.folder.",
        risk=f"Let no other process train in {folder}.",
    )


def _train(
    config: TrainConfig,
    extra_observers: tuple[MakeObserver, ...],
    stop: StopRequest,
    watchdog: Watchdog,
    device: torch.device,
) -> Stopped | None:
    topology = watchdog.topology
    keeper = _state_keeper(config, watchdog, device)
    stream = open_stream(config, topology)
    _check_tiles_large_enough(config, stream.index)
    trainer = Trainer(config, stream, Players(config, len(stream.index.schema), device), device)
    metrics = RecordsFile(config.run.folder / "metrics.jsonl")
    origin = _resume(trainer, metrics, topology)
    facts_at = partial(model_facts, config, stream.index, forked_from=origin)
    stage_shards(config.data, stream, range(trainer.step, config.run.steps), topology)
    _announce(trainer, stream.index, topology)
    with _saver(config) as saver, _reproducible(), _progress(trainer, topology) as show:
        keep_state = KeepState(watchdog, keeper, saver, config.run.report_every)
        save = SaveCheckpoint(saver, facts_at, topology, config.run.checkpoint_every)
        observers = (
            *_standard_observers(trainer, metrics, topology),
            save,
            NoticeFailedSave(saver, config.run.report_every),
            *(make(config, topology) for make in extra_observers),
            *show,
            keep_state,
        )
        keep_state.write(trainer)
        with stop.at_edges(device):
            trainer.train(observers, stop.agreed)
        if trainer.stopped is not None:
            save.save_now(trainer)
    if trainer.stopped is None and topology.is_first:
        save_model(config.run.folder / "model", trainer.players.ema.network, facts_at(trainer.step))
        logger.info("done; model in %s", config.run.folder / "model")
    keep_state.write(trainer)
    return _ended(trainer, stop, keeper)


def _state_keeper(
    config: TrainConfig, watchdog: Watchdog, device: torch.device
) -> StateKeeper | None:
    """Rank 0 keeps the state; the others write to it only if they have to tell its death."""
    folder = config.run.folder
    if not watchdog.topology.is_first:
        watchdog.on_end = partial(record_ending, folder)
        return None
    keeper = StateKeeper(
        folder,
        steps=config.run.steps,
        world_size=watchdog.topology.world_size,
        device=device.type,
    )
    watchdog.on_end = keeper.end
    return keeper


def _ended(trainer: Trainer, stop: StopRequest, keeper: StateKeeper | None) -> Stopped | None:
    """Write how it ended; what is to be raised if the run is to go on another time."""
    reason = trainer.stopped
    stopped: Stopped | None = None
    if reason is not None:
        done = f"stopped after step {trainer.step} of {trainer.config.run.steps} ({reason.text})."
        stopped = Stopped(reason, f"{done} It is saved; the same command goes on from there.")
    if keeper is not None:
        keeper.end(Ending.of(stopped) if stopped else FINISHED)
        if reason is not None:
            stop.honoured(reason)
    return stopped


def _check_tiles_large_enough(config: TrainConfig, index: DatasetIndex) -> None:
    """Each scale and each layer but the last halve what the discriminator sees."""
    side = config.data.crop or min(index.tile_size)
    halvings = config.discriminator.scales + config.discriminator.layers - 2
    if side >> halvings < _LEAST_FEATURE_PIXELS:
        raise ConfigError(
            f"discriminator.scales = {config.discriminator.scales} and discriminator.layers = "
            f"{config.discriminator.layers} halve tiles of {side} pixels {halvings} times, which "
            "leaves nothing to judge. Lower one of them, or train on larger tiles."
        )


def _standard_observers(
    trainer: Trainer, metrics: RecordsFile, topology: Topology
) -> tuple[Observer, ...]:
    config, stream = trainer.config, trainer.stream
    run = config.run
    skip = config.data.on_bad_sample == "skip"
    grid = SampleGrid(stream.reader, seed=run.seed, crop=config.data.crop, skip_bad=skip)
    return (
        Report(metrics, topology, run.report_every, trainer.carried.get("report")),
        *([_bad_samples(config, stream.index, topology)] if skip else []),
        DrawSamples(grid, run.folder / "samples", topology, run.sample_every),
    )


def _saver(config: TrainConfig) -> Saver:
    run = config.run
    return Saver(
        run.folder / "checkpoints",
        keep_last=run.keep_last,
        keep_every=run.keep_every,
        on_full_disk=run.on_full_disk,
    )


def _bad_samples(config: TrainConfig, index: DatasetIndex, topology: Topology) -> ListBadSamples:
    return ListBadSamples(
        RecordsFile(config.run.folder / "bad-samples.jsonl"),
        index,
        topology,
        interval=config.run.report_every,
        largest_share=config.data.bad_share,
    )


def _resume(trainer: Trainer, metrics: RecordsFile, topology: Topology) -> dict[str, Any] | None:
    """Load the newest valid checkpoint, the same on every rank, and tidy what came after it.

    Returns which checkpoint of another run this run was forked from, if any.
    """
    folder = trainer.config.run.folder
    origin: dict[str, Any] | None = None
    newest = collectives.decided_by_first(lambda: _newest_checkpoint(trainer))
    if newest is not None:
        state = checkpoint.load(newest)
        _check_resumable(state, trainer, newest)
        trainer.load(state["trainer"])
        origin = state["model"]["training"].get("forked_from")
    if topology.is_first:
        metrics.forget_after(trainer.step)
        write_text(folder / "config.toml", _told_origin(origin) + as_toml(trainer.config))
    collectives.barrier()
    return origin


def _newest_checkpoint(trainer: Trainer) -> Path | None:
    """None to start anew. A forked run starts from a checkpoint of its own: it may be killed before
    it has written another, and the old run may have gone on, or be gone, by then."""
    run = trainer.config.run
    root = run.folder / "checkpoints"
    newest = checkpoint.newest_valid(root, set_aside=True)
    if newest is not None:
        return newest
    if (run.folder / "model").exists():
        raise ConfigError(
            f"{run.folder} holds a model, but no checkpoint to go on from. Remove its content to "
            "start anew, or choose another --run.folder."
        )
    if run.fork is None:
        return None
    origin = take_over_networks(trainer, run.fork)
    facts = model_facts(trainer.config, trainer.stream.index, 0, forked_from=origin)
    first = checkpoint.checkpoint_path(root, 0)
    checkpoint.save(first, checkpoint_state(trainer, facts))
    return first


def _told_origin(origin: dict[str, Any] | None) -> str:
    if origin is None:
        return ""
    return "# run.fork was step {step} at {path}, sha256 {sha256}\n".format(**origin)


def _check_resumable(state: dict[str, Any], trainer: Trainer, source: Path) -> None:
    """A run goes on with the settings and the tiles that it was started with."""
    new = trainer.config
    old = from_dict(TrainConfig, state["config"], str(source))
    changed = [name for name in differing_fields(old, new) if name not in RESUMABLE_CHANGES]
    if state["model"]["training"]["data_sha256"] != trainer.stream.index.identity:
        changed.append("the shards (their sha256)")
    if changed:
        raise ConfigError(
            f"{new.run.folder} was started with other settings: {', '.join(changed)} changed. "
            "Restore them to go on, or start a new run with another --run.folder; with --fork "
            f"{new.run.folder} it starts from the weights of this one."
        )
    if new.run.steps < state["trainer"]["step"]:
        raise ConfigError(
            f"{new.run.folder} has taken {state['trainer']['step']} steps already, more than "
            f"--run.steps {new.run.steps}. Ask for more steps, or start a new run."
        )


@contextmanager
def _reproducible() -> Iterator[None]:
    """The same sums in the same order every time, where cuDNN would choose by speed."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


@contextmanager
def _progress(trainer: Trainer, topology: Topology) -> Iterator[tuple[Observer, ...]]:
    """A bar with an ETA on rank 0's terminal; elsewhere the reports' lines say it."""
    if not (topology.is_first and on_terminal()):
        yield ()
        return
    with progress_bar(total=trainer.config.run.steps, done=trainer.step, what="train") as move_to:
        yield (ShowProgress(move_to),)


def _announce(trainer: Trainer, index: DatasetIndex, topology: Topology) -> None:
    if topology.is_first:
        logger.info(
            "%s: step %d of %d, %d tiles of %dx%d, %d processes, %s",
            trainer.config.run.folder, trainer.step, trainer.config.run.steps, len(index),
            *index.tile_size, topology.world_size, trainer.device,
        )  # fmt: skip
