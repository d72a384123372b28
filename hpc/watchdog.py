"""When a rank fails, dies or hangs, all ranks end, and one of them says why.

Each rank has a thread with a connection of its own to the group's store. Every second it writes a
heartbeat, checks that of the next rank, and whether a rank has declared the end of the group. A
process that trains alone has the thread as well, for steps that never end. The rank that is the
first to declare the end prints the message; the others exit silently. Training never waits for any
of this.

A rank that fails is known at once, one that died or froze after `DEAD_SECONDS`, one that lives but
takes no step after the limit that it was given. Seconds are counted in rounds of the own thread, so
that a machine or job that was suspended does not take all others for dead when it resumes.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock, Thread, main_thread

from torch import distributed

from hpc.abort import abort_process
from hpc.error_file import leave_for_torchrun
from hpc.errors import HistosynError, LostProcessError
from hpc.records import Count, ProcessId, Records, Text
from hpc.run_state import Ending
from hpc.topology import Rendezvous, Topology

DEAD_SECONDS = 30
# With a connection that broke as evidence.
_SURELY_DEAD_SECONDS = 6
_ROUND_SECONDS = 1.0
# For the main thread to notice, and to leave in good order.
_GRACE_SECONDS = 5.0
_STORE_SECONDS = 20
_END = "end"
_ADVICE = "Running the same command again goes on from the newest checkpoint."


class Watchdog:
    """Monitors the ranks of a group during the block of `watching`; alone, its own steps.

    `waits_for` says in words what the main thread waits for just now, or is empty; `advice` is
    what to do if that never comes.
    """

    def __init__(self, topology: Topology, *, limit_seconds: float) -> None:
        self.topology = topology
        self.on_end: Callable[[Ending], None] = lambda ending: None
        self.waits_for: Callable[[], str] = lambda: ""
        self.advice: Callable[[], str] = lambda: ""
        self._limit_seconds = limit_seconds
        self._store: distributed.Store | None = None
        # Rounds since the last step; None until steps are to be taken.
        self._idle: int | None = None
        self._ending: _Declared | None = None
        self._known, self._left = Event(), Event()
        # Both threads may learn of an end at the same moment.
        self._learning = Lock()
        self._suspicious = False

    def step_taken(self) -> None:
        """A step was taken, or is to be: from now on the next may take no longer than the limit."""
        self._idle = 0

    @contextmanager
    def watching(self, store: distributed.Store | None) -> Iterator[None]:
        """An error that ends the block on one rank ends it on all.

        On ranks that are not to print the message, SystemExit replaces the error.
        """
        if store is not None:
            self._store = store
            self._signs = _Heartbeats(store, self.topology)
            self._signs.give(self._where())
        thread = Thread(target=self._guard, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        except BaseException as error:
            self._leave(error)
            raise
        finally:
            self._left.set()
            # It holds on to the run, and with it to tensors: dropping the last of these from a
            # thread while Python shuts down aborts the process. A store that is lost may keep it.
            thread.join(_GRACE_SECONDS)

    def _leave(self, error: BaseException) -> None:
        if self._store is None:
            self._declare(Ending.of(error))
            return
        if _comes_of_others(error):
            self._suspicious = True
            self._known.wait(DEAD_SECONDS)
        if self._ending is None:
            self._declare(Ending.of(error))
        declared = self._ending
        assert declared is not None
        leave_for_torchrun(declared.ending.reason)
        if isinstance(error, KeyboardInterrupt):
            # All are interrupted, and the first of them says so.
            return
        if declared.by != self.topology.rank:
            raise SystemExit(declared.ending.exit_code) from None
        if declared.of != self.topology.rank:
            raise LostProcessError(declared.ending.reason) from None
        error.add_note(
            f"(rank {declared.by} of {self.topology.world_size}, {socket.gethostname()})"
        )

    def _declare(self, ending: Ending, of: int | None = None) -> None:
        """Declare that the group ends because of rank `of`, unless another rank was first."""
        mine = self.topology.rank
        declared = _Declared(by=mine, of=mine if of is None else of, ending=ending)
        if self._store is None:
            self._learn(declared)
            return
        try:
            said = self._store.compare_set(_END, "", declared.as_text())
            declared = _Declared.from_text(said.decode())
        except RuntimeError:
            # The store died with who kept it: each rank is on its own.
            pass
        self._learn(declared)

    def _learn(self, declared: _Declared) -> None:
        with self._learning:
            if self._known.is_set():
                return
            self._ending = declared
            self._known.set()
        # Rank 0 writes, or whoever prints the message if rank 0 is the one that is gone.
        if self.topology.is_first or (declared.by == self.topology.rank and declared.of == 0):
            self.on_end(declared.ending)

    def _guard(self) -> None:
        """The thread. It ends the process if the main thread cannot."""
        while not self._known.is_set():
            if self._left.wait(_ROUND_SECONDS):
                return
            try:
                self._look()
            except RuntimeError as error:
                if not self._left.is_set():
                    self._declare_store_lost(error)
        if self._left.wait(_GRACE_SECONDS):
            return
        declared = self._ending
        assert declared is not None
        leave_for_torchrun(declared.ending.reason)
        speaks = declared.by == self.topology.rank
        abort_process(
            f"histosyn: {declared.ending.reason}\n" if speaks else "",
            exit_code=declared.ending.exit_code,
        )

    def _look(self) -> None:
        if self._store is not None:
            self._look_at_others(self._store)
        if self._idle is not None and not self._known.is_set():
            self._idle += 1
            if self._idle > self._limit_seconds:
                alone = self._store is None
                places = self._where() if alone else self._signs.where_all_are()
                self._declare(self._hanging(places))

    def _look_at_others(self, store: distributed.Store) -> None:
        self._signs.give(self._where())
        if store.check([_END]):
            self._learn(_Declared.from_text(store.get(_END).decode()))
            return
        world = range(self.topology.world_size)
        mine = self.topology.rank
        patience = _SURELY_DEAD_SECONDS if self._suspicious else DEAD_SECONDS
        for rank in world if self._suspicious else [(mine + 1) % len(world)]:
            if rank != mine and self._signs.missed(rank) >= patience:
                self._declare(_lost(self._signs.who(rank), patience), of=rank)
                return

    def _where(self) -> str:
        waits_for = self.waits_for()
        return _where_main_thread_is() + (f", waiting for {waits_for}" if waits_for else "")

    def _hanging(self, places: str) -> Ending:
        several = self.topology.world_size > 1
        look = " All ranks end. Look at the rank that is somewhere else than the others."
        advice = f" {self.advice()}" if self.waits_for() or "waiting for" in places else ""
        return _ended(
            f"No step was finished for {self._limit_seconds:g} seconds: {places}."
            f"{look if several else ''}{advice} If steps may take so long, raise "
            f"--run.hang-seconds. {_ADVICE}"
        )

    def _declare_store_lost(self, error: RuntimeError) -> None:
        """It went with rank 0 or with torchrun. One rank of each node prints the message."""
        mine = self.topology.rank
        speaks = mine == 1 or (mine > 1 and self.topology.local_rank == 0)
        ending = _ended(
            f"The store of the process group is gone ({_line(error)}): rank 0, or the torchrun "
            f"that kept it, was killed or its node was lost. {_ADVICE}"
        )
        self._learn(_Declared(by=mine if speaks else -1, of=0, ending=ending))


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """The end of a group: which rank declared it, because of which."""

    by: int
    of: int
    ending: Ending

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> _Declared:
        try:
            return _DECLARED.parse(text, "What was said of the end")
        except HistosynError as error:
            # Somebody ends the group, whatever the words.
            return cls(by=-1, of=-1, ending=_ended(f"{error} {_ADVICE}"))


_DECLARED = Records(kind=_Declared, remedy="All ranks end.", error=HistosynError)


@dataclass(frozen=True, kw_only=True)
class _Heartbeat:
    """A rank's heartbeat; without one, nothing is known of it."""

    number: Count = 0
    host: Text = ""
    pid: ProcessId = 0
    where: Text = "nowhere"


_HEARTBEATS = Records(kind=_Heartbeat, remedy="It counts as none.", error=HistosynError)


class _Heartbeats:
    """Signs of life in the store: a number that grows, which process it is, where it is."""

    def __init__(self, store: distributed.Store, topology: Topology) -> None:
        self._store = store
        self._topology = topology
        self._given = 0
        self._seen: dict[int, int] = {}
        self._missed: defaultdict[int, int] = defaultdict(int)

    def give(self, where: str) -> None:
        self._given += 1
        sign = {"number": self._given, "host": socket.gethostname(), "pid": os.getpid(),
                "where": where}  # fmt: skip
        self._store.set(f"sign-{self._topology.rank}", json.dumps(sign))

    def missed(self, rank: int) -> int:
        """For how many rounds in a row this rank's sign has been the same."""
        number = self._read(rank).number
        self._missed[rank] = self._missed[rank] + 1 if self._seen.get(rank) == number else 0
        self._seen[rank] = number
        return self._missed[rank]

    def who(self, rank: int) -> str:
        last = self._read(rank)
        process = f" (process {last.pid} on {last.host})" if last.number else ""
        return f"Rank {rank} of {self._topology.world_size}{process}"

    def where_all_are(self) -> str:
        ranks_at = defaultdict(list)
        for rank in range(self._topology.world_size):
            ranks_at[self._read(rank).where].append(rank)
        return "; ".join(
            f"rank {', '.join(map(str, ranks[:4]))}{' and others' * (len(ranks) > 4)} in {where}"
            for where, ranks in sorted(ranks_at.items(), key=lambda item: len(item[1]))
        )

    def _read(self, rank: int) -> _Heartbeat:
        name = f"sign-{rank}"
        with suppress(HistosynError):
            if self._store.check([name]):
                return _HEARTBEATS.parse(self._store.get(name), name)
        return _Heartbeat()


def connect(point: Rendezvous, token: str) -> distributed.Store:
    """A connection of this process's own to the ranks' store, below the group's token."""
    client = distributed.TCPStore(
        point.host, point.port, is_master=False, wait_for_workers=False,
        timeout=timedelta(seconds=_STORE_SECONDS),
    )  # fmt: skip
    return distributed.PrefixStore(f"histosyn-{token}", client)


def _ended(message: str) -> Ending:
    return Ending(state="failed", reason=message, next="resume", exit_code=1)


def _lost(who: str, seconds: int) -> Ending:
    return _ended(
        f"{who} sent no heartbeat for {seconds} seconds: it was killed (most often memory ran "
        f"out) or stopped, or its node was lost. All others end as well. {_ADVICE}"
    )


def _comes_of_others(error: BaseException) -> bool:
    """Whether a collective failed, which most often is because another rank did."""
    text = str(error)
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError)
        and any(word in text for word in ("gloo", "NCCL", "Connection closed by peer"))
    )


def _where_main_thread_is() -> str:
    frame = sys._current_frames().get(main_thread().ident or 0)
    if frame is None:
        return "no Python code"
    code = frame.f_code
    return f"{code.co_name} ({Path(code.co_filename).name}, line {frame.f_lineno})"


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
