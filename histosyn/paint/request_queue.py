"""The queue of synthesis requests: one model, one thread that computes them in order.

A client (a tab of a browser) waits for one picture at most: its newest request replaces an older
one, whether that waits or is being computed. The queue is bounded, so a flood is turned away.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from histosyn.paint.painting import Painting
from hpc.errors import HistosynError
from hpc.log import logger

OnProgress = Callable[[float], None]
# Seconds between two words on how far the tissue is.
_PROGRESS_SECONDS = 0.1


class CancelledRequestError(HistosynError):
    """The request was cancelled: nobody waits for the picture any more."""


class QueueFullError(HistosynError):
    """The queue is full."""


@dataclass(kw_only=True, eq=False)
class Request:
    """One picture that somebody waits for; what happens to it comes as events."""

    client: str
    painting: Painting
    cancelled: threading.Event = field(default_factory=threading.Event)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def tell(self, event: str, **facts: Any) -> None:
        """Add an event; the last is one of done, outdated and error."""
        self.events.put_nowait({"event": event, **facts})


class RequestQueue:
    """Takes requests and has them computed by `render(painting, on_progress)`, one after another.

    `render` runs in a thread; it calls `on_progress` with the share that is done, which raises
    CancelledRequestError when nobody waits for the picture any more.
    """

    def __init__(
        self, render: Callable[[Painting, OnProgress], dict[str, Any]], *, most_waiting: int = 8
    ) -> None:
        self.render = render
        self.most_waiting = most_waiting
        self.waiting: list[Request] = []
        self.current: Request | None = None
        self._arrived = asyncio.Event()
        # Always the same one: each that computes would keep memory of its own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthesis")

    async def work(self) -> None:
        """Serve until cancelled."""
        while True:
            while not self.waiting:
                self._arrived.clear()
                await self._arrived.wait()
            self.current = self.waiting.pop(0)
            self._tell_places()
            try:
                await self._serve(self.current)
            finally:
                self.current = None

    async def ask(self, client: str, painting: Painting) -> AsyncIterator[dict[str, Any]]:
        """Enqueue a request; its events, one after another. To stop iterating cancels it."""
        request = Request(client=client, painting=painting)
        self._replace_older(client)
        if len(self.waiting) >= self.most_waiting:
            raise QueueFullError(f"{len(self.waiting)} others wait already. Try again in a moment.")
        self.waiting.append(request)
        self._arrived.set()
        self._tell_places()
        return self._events(request)

    def close(self) -> None:
        """Cancel all requests: the server ends."""
        for request in [*self.waiting, *([self.current] if self.current else [])]:
            self._cancel(request, "error", message="The server was stopped.")
        self.waiting.clear()
        self._thread.shutdown(wait=False)

    async def _events(self, request: Request) -> AsyncIterator[dict[str, Any]]:
        try:
            while True:
                event = await request.events.get()
                yield event
                if event["event"] in ("done", "outdated", "error"):
                    return
        finally:
            request.cancelled.set()
            if request in self.waiting:
                self.waiting.remove(request)
                self._tell_places()

    def _replace_older(self, client: str) -> None:
        for request in [each for each in self.waiting if each.client == client]:
            self.waiting.remove(request)
            self._cancel(request, "outdated")
        if self.current is not None and self.current.client == client:
            self._cancel(self.current, "outdated")

    def _cancel(self, request: Request, event: str, **facts: Any) -> None:
        request.cancelled.set()
        request.tell(event, **facts)

    def _tell_places(self) -> None:
        before = int(self.current is not None)
        for place, request in enumerate(self.waiting):
            request.tell("queued", ahead=place + before)

    async def _serve(self, request: Request) -> None:
        on_progress = _Progress(request, asyncio.get_running_loop())
        try:
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(
                self._thread, self.render, request.painting, on_progress
            )
        except CancelledRequestError:
            return
        except HistosynError as error:
            request.tell("error", message=str(error))
        except Exception:
            logger.exception("a painting could not be synthesized")
            request.tell("error", message="The synthesis failed; the server's log says why.")
        else:
            request.tell("done", **result)


class _Progress:
    """What a computing thread calls: tells how far it is, and stops it when nobody waits."""

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.loop = loop
        self.began = self.told = time.monotonic()

    def __call__(self, share: float) -> None:
        if self.request.cancelled.is_set():
            raise CancelledRequestError("Nobody waits for this picture any more.")
        now = time.monotonic()
        if share > 0 and now - self.told >= _PROGRESS_SECONDS:
            self.told = now
            eta_seconds = (now - self.began) / share * (1 - share)
            self.loop.call_soon_threadsafe(
                lambda: self.request.tell("progress", share=share, eta_seconds=eta_seconds)
            )
