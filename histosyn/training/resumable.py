"""A run that goes on where it stopped, whatever it trains.

topology → process group → lock → what is trained → newest valid checkpoint → steps → model

A `Training` says what is trained; everything that a run needs besides is here: one run a folder,
the same state on every rank, metrics without gaps, checkpoints in the background, requests to stop,
and `state.json` for those who watch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from histosyn.config.file import as_plain, as_toml
from histosyn.config.run import Settings
from histosyn.models.checkpoint_state import load_state, taking_over
from histosyn.training.bad_samples import BAD_SAMPLES, ListBadSamples
from histosyn.training.batch_log import LogBatches
from histosyn.training.deferred_observers import DeferredObservers, is_owed
from histosyn.training.observers import (
    BufferedObserver,
    CheckSaver,
    Heartbeat,
    LogProgress,
    Report,
    SaveCheckpoint,
    ShowProgressBar,
)
from histosyn.training.resume_checks import require_resumable
from histosyn.training.run_folder import lock_run_folder, run_state_writer, saver_of, watch_steps
from histosyn.training.run_logs import KeepLogs, open_logs, require_logs
from histosyn.training.settling import with_settled_run
from histosyn.training.steps import Observer, StepTrainer
from histosyn.training.trainable import TrainerKind, Training
from hpc import checkpoint, collectives
from hpc.async_checkpoint import AsyncSaver
from hpc.deferred_writes import DeferredWrites
from hpc.errors import ConfigError
from hpc.files import write_text
from hpc.log import RecordsFile, logger, on_terminal, progress_bar, set_up_logging
from hpc.preemption import Stopped, StopRequest, StopRequested
from hpc.process_group import device_of, one_error_per_node, process_group
from hpc.progress import ProgressLog, timed
from hpc.run_state import FINISHED, Ending, RunStateWriter
from hpc.timer import Timer
from hpc.topology import Topology, detect
from hpc.watchdog import Watchdog

SettingsKind = TypeVar("SettingsKind", bound=Settings)

# Called with the settled configuration, the topology and the device once all ranks are in one
# process group.
OpenTraining = Callable[[SettingsKind, Topology, torch.device], Training[TrainerKind]]
MakeObservers = Callable[[Topology], tuple[Observer[TrainerKind], ...]]


def run_resumable(
    config: SettingsKind,
    open_training: OpenTraining[SettingsKind, TrainerKind],
    *,
    extra_observers: MakeObservers[TrainerKind] = lambda topology: (),
    folder_option: str = "--run.folder",
    stop: StopRequest | None = None,
) -> Path:
    """Train, or go on from the newest valid checkpoint of the run's folder.

    Writes the run folder as DESIGN has it, and `model/` when all steps are done; returns the path
    of that model. `folder_option` is what users choose the folder by, `stop` is given if somebody
    listens already. Raises Stopped if the run was asked to stop; on all ranks but one, what ends
    them becomes SystemExit.
    """
    run = config.run
    topology = detect()
    set_up_logging(topology, run.folder)
    with ExitStack() as held:
        if stop is None:
            stop = held.enter_context(
                StopRequest(run.folder, seconds_before_end=run.stop_seconds_before_end)
            )
        with one_error_per_node(topology):
            require_logs(run)
            device = device_of(topology, run.device)
        with process_group(topology, device, timeout_seconds=run.hang_seconds) as watchdog:
            collectives.run_on_rank_0(lambda: lock_run_folder(run.folder, folder_option, held))
            config = with_settled_run(config, device)
            run_state = run_state_writer(config, watchdog, device)
            training = open_training(config, topology, device)
            started = _Run(training, config, watchdog, run_state, stop)
            stopped = started.go(extra_observers)
    if stopped is not None:
        raise stopped if topology.is_first else SystemExit(stopped.reason.exit_code)
    return run.folder / "model"


class _Run(Generic[TrainerKind]):
    """One start of a run, on one rank."""

    def __init__(
        self,
        training: Training[TrainerKind],
        config: Settings,
        watchdog: Watchdog,
        run_state: RunStateWriter | None,
        stop: StopRequest,
    ) -> None:
        self.training = training
        self.trainer = training.trainer
        self.config = config
        self.watchdog = watchdog
        self.topology = watchdog.topology
        self.run_state = run_state
        self.stop = stop
        self.metrics = RecordsFile(config.run.folder / "metrics.jsonl")
        self.batches = RecordsFile(config.run.folder / "batches.jsonl")
        self.deferred_writes = DeferredWrites(config.run.on_full_disk)

    def go(self, extra_observers: MakeObservers[TrainerKind]) -> Stopped | None:
        """From the newest checkpoint to the end, or to where the run was asked to stop."""
        trainer, run = self.trainer, self.config.run
        resumed = self._resume()
        self.training.stage(range(trainer.step, run.steps))
        self._announce()
        with saver_of(self.config) as saver, _reproducible(), self._progress() as show:
            heartbeat = Heartbeat(self.watchdog, self.run_state, saver, run.report_every)
            noting = self._noting()
            logs = self._logs()
            save = self._save(saver, (*noting, *logs), trainer.step if resumed else None)
            deferred = (
                DeferredObservers(self.training.observers(self.deferred_writes)),
                # They look at a step that is saved.
                DeferredObservers(extra_observers(self.topology)),
            )
            heartbeat.write(trainer)
            watch_steps(self.watchdog, trainer)
            with self.stop.at_step_boundaries(trainer.device):
                trainer.asked = self.stop.agreed
                self._make_up(deferred)
                before, after = deferred
                notice = CheckSaver(saver, run.report_every)
                observers = (*noting, before, save, notice, after, *logs, *show, heartbeat)
                trainer.train(observers, self.stop.agreed, self.stop.at_once)
            save.save_now(trainer)
            for log in logs:
                log.close(trainer.step)
        if trainer.stopped is None:
            self._ship(run.folder / "model")
        heartbeat.write(trainer)
        return self._ended()

    def _make_up(self, deferred: tuple[DeferredObservers[TrainerKind], ...]) -> None:
        """Do what the stop before this start left undone."""
        # This step may be the last one only now.
        ended_early = self.trainer.finished and not self.prepared
        if is_owed(self.trainer) or ended_early:
            try:
                for each in deferred:
                    each.make_up(self.trainer)
            except StopRequested as asked:
                self.trainer.stopped = asked.reason
                each(self.trainer)

    def _ship(self, folder: Path) -> None:
        self.training.prepare()
        if self.topology.is_first:
            with timed("model folder"):
                self.training.ship(folder)
            logger.info("done; model in %s", folder)

    def _save(
        self, saver: AsyncSaver, buffered: tuple[BufferedObserver, ...], saved: int | None
    ) -> SaveCheckpoint:
        run, is_first = self.config.run, self.topology.is_first
        self.stop.newest = lambda: max(checkpoint.steps(saver.root), default=None)
        return SaveCheckpoint(
            saver, self.deferred_writes, self, buffered, self.topology,
            interval=run.checkpoint_every, saved=saved,
            due=Timer(run.checkpoint_minutes, self.trainer.device, is_first=is_first),
        )  # fmt: skip

    def prepare(self) -> None:
        """Work out what users look at besides the state."""
        self.training.prepare()

    @property
    def prepared(self) -> bool:
        """Whether that is there."""
        return self.training.prepared

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        self.training.require_finite_weights()
        return {
            "trainer": self.trainer.state(),
            "config": as_plain(self.config),
            "model": self.training.facts(),
        }

    def _resume(self) -> bool:
        """Load the newest valid checkpoint, the same on every rank, and tidy what came after it.

        Whether there was one.
        """
        newest = collectives.run_on_rank_0(self._newest_checkpoint)
        if newest is not None:
            state = load_state(newest)
            with taking_over(newest):
                require_resumable(self.config, self.training, state, newest)
                self.training.load(state)
        if self.topology.is_first:
            for records in (self.metrics, self.batches):
                records.truncate_after(self.trainer.step)
            text = self.training.comment() + as_toml(self.config)
            write_text(self.config.run.folder / "config.toml", text)
        collectives.barrier()
        return newest is not None

    def _newest_checkpoint(self) -> Path | None:
        """None to start anew, each rank by itself."""
        folder = self.config.run.folder
        root = folder / "checkpoints"
        newest = checkpoint.newest_valid(root, set_aside=True)
        if newest is not None:
            return newest
        if (folder / "model").exists():
            raise ConfigError(
                f"{folder} holds a model, but no checkpoint to go on from. Remove its content to "
                "start anew, or choose another folder for this run."
            )
        if not self.training.begin():
            return None
        first = checkpoint.checkpoint_path(root, 0)
        checkpoint.save(first, self.state(), resume_only=not self.prepared)
        return first

    def _noting(self) -> tuple[Report | ListBadSamples | LogBatches, ...]:
        """Who keeps the run's records."""
        trainer, run = self.trainer, self.config.run
        carried = trainer.carried.get("report")
        noting: list[Report | ListBadSamples | LogBatches] = [
            Report(self.metrics, self.deferred_writes, self.topology, run.report_every, carried)
        ]
        if run.log_batches:
            noting.append(
                LogBatches(self.batches, self.deferred_writes, self.topology, run.report_every)
            )
        if self.config.data.on_bad_sample == "skip":
            listed = RecordsFile(run.folder / "bad-samples.jsonl", BAD_SAMPLES)
            noting.append(
                ListBadSamples(
                    listed, self.deferred_writes, trainer.stream.index, self.topology,
                    interval=run.report_every, largest_share=self.config.data.bad_share,
                )
            )  # fmt: skip
        return tuple(noting)

    def _logs(self) -> tuple[KeepLogs, ...]:
        """Who keeps the logs for other programs, on the first rank if there are any."""
        run, step = self.config.run, self.trainer.step
        if not self.topology.is_first or not (run.tensorboard or run.wandb):
            return ()
        keeper = KeepLogs(run, open_logs(self.config, step))
        keeper.update(step)
        return (keeper,)

    @contextmanager
    def _progress(self) -> Iterator[tuple[Observer[StepTrainer], ...]]:
        """What rank 0 shows of the steps: a bar on a terminal, else a line now and then."""
        run, done = self.config.run, self.trainer.step
        if not self.topology.is_first:
            yield ()
        elif not on_terminal():
            yield (LogProgress(ProgressLog("step", total=run.steps, done=done), run.report_every),)
        else:
            with progress_bar(total=run.steps, done=done, what="train") as move_to:
                yield (ShowProgressBar(move_to),)

    def _announce(self) -> None:
        trainer, index = self.trainer, self.trainer.stream.index
        if self.topology.is_first:
            count, config = self.topology.world_size, self.config
            epochs = f"{config.run.steps * config.data.global_batch / len(index):.4g}"
            logger.info(
                "%s: step %d of %d (%s epoch%s), %d tiles of %dx%d, schema %s (%d classes), "
                "%d process%s, %s, %s",
                config.run.folder, trainer.step, config.run.steps, epochs, "s" * (epochs != "1"),
                len(index), *index.tile_size, index.schema.name, len(index.schema.classes), count,
                "es" * (count > 1), trainer.device, config.run.precision,
            )  # fmt: skip

    def _ended(self) -> Stopped | None:
        """Write how it ended; what is to be raised if the run is to go on another time."""
        reason = self.trainer.stopped
        stopped: Stopped | None = None
        if reason is not None:
            done = (
                f"stopped after step {self.trainer.step} of {self.config.run.steps} "
                f"({reason.text})."
            )
            stopped = Stopped(reason, f"{done} It is saved; the same command goes on from there.")
        if self.run_state is not None:
            self.run_state.end(Ending.of(stopped) if stopped else FINISHED)
            if reason is not None:
                self.stop.acknowledge(reason)
        return stopped


@contextmanager
def _reproducible() -> Iterator[None]:
    """The same sums in the same order every time, where cuDNN would choose by speed.

    And float32 where the configuration says float32: whoever wants less asks for bfloat16.
    """
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
