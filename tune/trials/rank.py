"""A process of a trial that has several: one rank of its group, as an actor of Ray."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import ray

from hpc.preemption import Stopped
from hpc.topology import Rendezvous
from tune.plan.config import Sweep
from tune.plan.trial_folder import Outcome

# How some of a rank's work ended, if not well. SystemExit: another rank says why.
End = Outcome | Stopped | SystemExit | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a rank's process is, and which GPUs it was given."""

    node: str
    host: str
    pid: int
    gpus: tuple[str, ...]


class Rank:
    """Does a rank's work; the first one also measures, and tells what.

    Each method runs in a thread of its own, so that the first rank is heard while it works.
    """

    def __init__(self, config: dict[str, Any], sweep: Sweep) -> None:
        # Here: who watches the ranks imports this module as well, and needs no torch.
        from tune.trials import trial

        self._trial = trial
        self._config = config
        self._sweep = sweep
        self._folder = sweep.trial_folder(config["number"], config.get("seed"))
        self._told: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._decided = threading.Semaphore(0)

    def place(self) -> Place:
        """Where this is."""
        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        return Place(
            node=context.get_node_id(),
            host=ray.util.get_node_ip_address(),
            pid=os.getpid(),
            gpus=tuple(gpus),
        )

    def listen(self, host: str) -> Rendezvous:
        """Open the socket at which the ranks' store is going to be; for the first rank."""
        with socket.create_server((host, 0)) as server:
            port, listening = server.getsockname()[1], server.detach()
        return Rendezvous(host=host, port=port, kept_by_first=True, listening=listening)

    def take(self, variables: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        """Take one's place in the group; `defaults` are for who has no other wishes."""
        os.environ.update({**defaults, **os.environ, **variables})

    def make_up(self) -> End:
        """Measure what was left unmeasured; for the first rank."""

        def work() -> None:
            candidate = self._trial.candidate_of(self._config, self._sweep)
            self._training = self._trial.MeasuredTraining(candidate, self._sweep, self._tell)
            self._training.make_up()

        return self._ended(work)

    def train_and_measure(self) -> End:
        """Train as the first of the ranks."""
        return self._ended(self._training.train)

    def train(self) -> End:
        """Train as one of the other ranks."""

        def work() -> None:
            candidate = self._trial.candidate_of(self._config, self._sweep)
            self._trial.train(candidate, self._sweep, lambda step, generator: None)

        return self._ended(work)

    def measure_model(self) -> End:
        """Measure what came of it, if that is still to be done; for the first rank."""
        return self._ended(self._training.measure_model)

    def next_told(self) -> dict[str, Any]:
        """What the first rank tells next; it waits for `go_on` then."""
        return self._told.get()

    def go_on(self) -> None:
        """It is decided that the trial goes on after what was told."""
        self._decided.release()

    def _tell(self, measurement: dict[str, Any]) -> None:
        self._told.put(measurement)
        self._decided.acquire()

    def _ended(self, work: Callable[[], None]) -> End:
        try:
            return self._trial.ended_badly(work, self._folder)
        except (Stopped, SystemExit) as ended:
            # Raised in an actor they would end its process.
            return ended
