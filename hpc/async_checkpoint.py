"""Asynchronous checkpoints: training waits for the copy to host memory only, a thread writes."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

from hpc import checkpoint
from hpc.deferred_writes import OnFullDisk
from hpc.errors import FullDiskError
from hpc.tensor_tree import Snapshot, take_snapshot

logger = logging.getLogger("histosyn")


class AsyncSaver:
    """Writes the checkpoints below `root`, one at a time, and deletes what need not be kept.

    `save` copies the state to host memory; a thread serializes, hashes, flushes, renames and
    prunes. This takes one more copy of the state in host memory, which is kept for the next
    checkpoint (page-locked on a GPU's host).

    Only rank 0 saves, because ranks share everything. The others need not wait for it: a
    checkpoint appears whole or not at all, and a run that starts again takes the newest one that
    rank 0 finds whole. If ranks were ahead of it when they were killed, they redo those steps.

    As a context manager it waits for the last write at the end, also when training has failed; but
    not when it was interrupted by force: the write under way is then lost, earlier ones are not.

    What went wrong in the thread is raised by the next `check`, `save` or `close`. With
    `on_full_disk="retry"` a full disk is raised by `close` only, if the last checkpoint is missing.
    """

    def __init__(
        self,
        root: Path,
        *,
        keep_last: int,
        keep_every: int | None = None,
        on_full_disk: OnFullDisk = "stop",
    ) -> None:
        self.root = root
        self.keep_last = keep_last
        self.keep_every = keep_every
        self.on_full_disk = on_full_disk
        self._thread: Thread | None = None
        self._failure: Exception | None = None
        self._snapshot: Snapshot | None = None

    def save(self, step: int, state: dict[str, Any], *, resume_only: bool = False) -> None:
        """Copy the state and write it as the checkpoint of `step` while the caller goes on.

        `resume_only` says that there is more to a checkpoint than this state (`hpc.checkpoint`).
        Waits for the write before. Raises what went wrong in it, and TypeError for a state that a
        checkpoint cannot hold.
        """
        self._wait()
        self.check()
        self._failure = None
        self._snapshot = take_snapshot(state, self._snapshot)
        # A daemon: whoever interrupts by force does not wait for it either.
        given = step, self._snapshot, resume_only
        self._thread = Thread(target=self._write, args=given, name="checkpoint", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong in a write that has ended, without waiting for one that has not."""
        if self._failure is not None and not self._may_try_again(self._failure):
            self.close()

    def close(self) -> None:
        """Wait until the last checkpoint is on the disk; raise what went wrong with it."""
        self._wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def __enter__(self) -> AsyncSaver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif isinstance(error, Exception):
            self._wait()
            if self._failure is not None:
                # Training's own failure is what is to be raised.
                logger.error("%s", self._failure)

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _may_try_again(self, failure: Exception) -> bool:
        return self.on_full_disk == "retry" and isinstance(failure, FullDiskError)

    def _write(self, step: int, snapshot: Snapshot, resume_only: bool) -> None:
        """In the thread."""
        try:
            checkpoint.clear_leftovers(self.root)
            path = checkpoint.checkpoint_path(self.root, step)
            checkpoint.write(path, snapshot, resume_only=resume_only)
            checkpoint.prune(self.root, keep_last=self.keep_last, keep_every=self.keep_every)
        except Exception as failure:
            self._failure = failure
            if self._may_try_again(failure):
                logger.warning("%s Training goes on; the next checkpoint is tried again.", failure)
            else:
                logger.error("The checkpoint of step %d failed: the run is going to stop.", step)
