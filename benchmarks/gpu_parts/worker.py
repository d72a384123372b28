"""A process that does parts one after another, so that starting PyTorch is paid for once.

It is given up, and another one started, when a part fails (what goes wrong on a GPU may leave it
unusable to its process) or takes much longer than it should.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from gpu_parts.bench import SCALES, Bench, Row

# After the seconds that a part is given.
_GRACE_SECONDS = 15.0
# Of an error's traceback, for the table.
_MOST_CHARACTERS = 2000


@dataclass(kw_only=True)
class Done:
    """What a part gave, how long it took, and why it ended early, if it did."""

    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None


class Worker:
    """Parts on a device, in a process that is started when it is needed."""

    def __init__(self, device: str, scale: str, folder: Path, shards: Path | None) -> None:
        self._arguments = (device, scale, folder, shards)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def do(self, part: str, seconds: float) -> Done:
        """A part; some time after so many seconds it is killed, and leaves the rows it gave."""
        connection = self._started()
        started, done = time.monotonic(), Done()
        connection.send((part, seconds))
        try:
            while connection.poll(max(seconds + _GRACE_SECONDS - time.monotonic() + started, 0)):
                kind, value = connection.recv()
                if kind == "row":
                    done.rows.append(value)
                    continue
                done.error = value
                break
            else:
                done.error = f"killed after {time.monotonic() - started:.0f} s"
        except EOFError:
            done.error = "its process died; see log.txt"
        done.seconds = time.monotonic() - started
        if done.error is not None:
            self.end()
        return done

    def end(self) -> None:
        """With all that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _started(self) -> Connection:
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, there = context.Pipe()
            self._process = context.Process(target=_serve, args=(there, *self._arguments))
            self._process.start()
            there.close()
        return self._connection


def _serve(
    connection: Connection, device: str, scale: str, folder: Path, shards: Path | None
) -> None:
    os.setsid()
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    import torch

    from gpu_parts.parts import BY_NAME

    chosen = torch.device("cuda", 0) if device == "cuda" else torch.device(device)
    while True:
        name, seconds = connection.recv()
        bench = Bench(device=chosen, scale=SCALES[scale], folder=folder, seconds=seconds,
                      shards_given=shards)  # fmt: skip
        try:
            for row in BY_NAME[name].work(bench):
                connection.send(("row", row))
        except Exception:
            text = traceback.format_exc()
            print(text, flush=True)
            connection.send(("failed", text[-_MOST_CHARACTERS:]))
        else:
            connection.send(("done", None))
