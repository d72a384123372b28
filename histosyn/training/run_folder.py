"""A run's folder: its lock, `state.json`, checkpoints; and the watchdog over the run's steps."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from histosyn.config.run import Settings
from histosyn.training.steps import StepTrainer
from hpc.async_checkpoint import AsyncSaver
from hpc.locks import locked
from hpc.run_state import RunStateWriter, record_ending
from hpc.shared_memory import REMEDY, shared_memory_text
from hpc.temporary_names import remove_leftovers
from hpc.watchdog import Watchdog


def lock_run_folder(folder: Path, option: str, held: ExitStack) -> None:
    """Lock the folder for as long as `held` is open, and remove what killed processes left."""
    lock = locked(
        folder / "lock",
        busy=f"Another process is training in {folder}. Wait for it, or choose another {option}.",
        risk=f"Let no other process train in {folder}.",
    )
    held.enter_context(lock)
    remove_leftovers(folder, below=True)


def run_state_writer(
    config: Settings, watchdog: Watchdog, device: torch.device
) -> RunStateWriter | None:
    """Rank 0 writes the state; other ranks do so only if rank 0 has died."""
    folder = config.run.folder
    if not watchdog.topology.is_first:
        watchdog.on_end = partial(record_ending, folder)
        return None
    run_state = RunStateWriter(
        folder,
        steps=config.run.steps,
        world_size=watchdog.topology.world_size,
        device=device.type,
    )
    watchdog.on_end = run_state.end
    return run_state


def saver_of(config: Settings) -> AsyncSaver:
    """The asynchronous saver of the run's checkpoints."""
    run = config.run
    return AsyncSaver(
        run.folder / "checkpoints",
        keep_last=run.keep_last,
        keep_every=run.keep_every,
        on_full_disk=run.on_full_disk,
    )


def watch_steps(watchdog: Watchdog, trainer: StepTrainer) -> None:
    """From now on the watchdog ends a step that hangs, and says if it was waiting for data."""
    data = trainer.config.data
    watchdog.waits_for = lambda: "its loader workers" if trainer.waiting and data.workers else ""
    watchdog.advice = lambda: (
        f"The workers read {data.shards} and hand over their batches in shared memory: look at "
        f"that file system; {shared_memory_text()}. {REMEDY}."
    )
    watchdog.step_taken()
