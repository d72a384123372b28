"""Many independent jobs on all cores of this machine, with results in the order of the jobs."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from threading import Thread
from typing import TypeVar

from hpc.errors import HistosynError
from hpc.shared_memory import starting_processes
from hpc.socket_folder import keep_sockets_short

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# Of short jobs, enough to hide the cost of a message; little enough to keep all processes busy.
_BATCH = 16
_MOST_PROCESSES = 32

# What also ends a process at once: the script that it imports starts processes itself.
IN_A_SCRIPT = (
    "(In a script of your own, what starts it must stand below `if __name__ == '__main__':`.)"
)


def usable_cores() -> int:
    """Cores that this process may use: those of its job, where the system can tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    processes: int | None = None,
    *,
    batch: int = _BATCH,
) -> Iterator[Outcome]:
    """Yield function(item) for each item, in order, in batches.

    At most two batches a process are under way, which bounds the memory for outcomes that wait.
    `processes` is by default what the cores and the number of items are good for; one process is
    this one. `function` and items must pickle. Raises HistosynError if a process is killed.
    """
    if processes is None:
        processes = min(usable_cores(), _MOST_PROCESSES, len(items) // (2 * batch))
    if processes <= 1:
        yield from map(function, items)
        return
    keep_sockets_short()
    # Spawned, not forked: a fork would copy the locks of threads that torch or others started.
    with starting_processes("one process is enough for a small data set, --processes 1"):
        context = get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_settle_in)
    under_way: deque[Future[list[Outcome]]] = deque()
    mine: set[BaseProcess] = set()
    try:
        for start in range(0, len(items), batch):
            if len(under_way) == 2 * processes:
                yield from under_way.popleft().result()
            others = set(active_children())
            under_way.append(pool.submit(_all, function, items[start : start + batch]))
            mine |= set(active_children()) - others
        while under_way:
            yield from under_way.popleft().result()
    except BrokenProcessPool as error:
        raise HistosynError(
            f"One of {processes} processes was killed, most likely for lack of memory. "
            f"Ask for more memory or fewer cores and run the command again. {IN_A_SCRIPT}"
        ) from error
    except BaseException:
        # Interrupted, or nobody wants the rest: what is under way is not waited for.
        for process in mine:
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _all(function: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
    return [function(item) for item in items]


def _settle_in() -> None:
    """Leave signals to the parent, which shuts the pool down, and don't outlive the parent.

    A process of a pool holds both ends of the pipe on which it waits for work, so it would not
    notice that nobody is left to send any.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()


def end_with_parent(*_: object) -> None:
    """From now on this process, which another one started by multiprocessing, ends with that one.

    Arguments don't matter, so that it can be handed on as what a process does first.
    """
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def kill_at_exit(owner: object, processes: Sequence[BaseProcess]) -> None:
    """Kill `processes` when this one exits, should their `owner` still be there; or when it goes.

    At exit Python asks its children to end, and waits for them. Those that never hear a signal
    (see `hpc.preemption.signals_blocked`) would keep it waiting for ever.
    """
    Finalize(owner, _kill, args=(processes,), exitpriority=0)


def _kill(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.kill()
