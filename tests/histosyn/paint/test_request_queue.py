import asyncio
import threading

import numpy as np
import pytest

from histosyn.paint.painting import Painting
from histosyn.paint.request_queue import CancelledRequestError, QueueFullError, RequestQueue
from histosyn.synthesis.rerolls import Rerolls
from hpc.errors import LabelError


def painting(seed):
    zeros = np.zeros((2, 2), np.uint8)
    return Painting(labels_HW=zeros, seed=seed, rerolls=Rerolls(areas_HW=zeros, seeds=()))


class Slow:
    """Computes when it is let; notes what was computed and what was given up."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()
        self.done, self.cancelled = [], []

    def __call__(self, painting, told):
        self.begun.set()
        assert self.go.wait(30)
        try:
            told(0.5)
        except CancelledRequestError:
            self.cancelled.append(painting.seed)
            raise
        self.done.append(painting.seed)
        return {"seed": painting.seed}


def at_a_queue(scenario, render, **options):
    async def run():
        queue = RequestQueue(render, **options)
        work = asyncio.create_task(queue.work())
        try:
            return await asyncio.wait_for(scenario(queue), 60)
        finally:
            queue.close()
            work.cancel()

    return asyncio.run(run())


async def collect(events):
    return [event async for event in events]


async def begun(render):
    await asyncio.to_thread(render.begun.wait, 30)


def test_requests_are_served_in_their_order():
    render = Slow()

    async def scenario(queue):
        first = asyncio.create_task(collect(await queue.ask("a", painting(1))))
        await begun(render)
        second = asyncio.create_task(collect(await queue.ask("b", painting(2))))
        render.go.set()
        return await first, await second

    first, second = at_a_queue(scenario, render)
    assert first[-1] == {"event": "done", "seed": 1}
    assert second[0] == {"event": "queued", "ahead": 1}
    assert second[-1] == {"event": "done", "seed": 2}
    assert render.done == [1, 2]


def test_the_newest_request_of_a_client_wins():
    """The one being computed is given up, the one that waits is never begun."""
    render = Slow()

    async def scenario(queue):
        tasks = []
        for seed in (1, 2, 3):
            tasks.append(asyncio.create_task(collect(await queue.ask("a", painting(seed)))))
            await begun(render)
        render.go.set()
        return [(await task)[-1]["event"] for task in tasks]

    assert at_a_queue(scenario, render) == ["outdated", "outdated", "done"]
    assert (render.done, render.cancelled) == ([3], [1])


def test_who_goes_away_is_not_computed_for():
    render = Slow()

    async def scenario(queue):
        leaver = asyncio.create_task(collect(await queue.ask("a", painting(1))))
        await begun(render)
        waiting = asyncio.create_task(collect(await queue.ask("b", painting(2))))
        await asyncio.sleep(0)
        leaver.cancel()
        waiting.cancel()
        await asyncio.gather(leaver, waiting, return_exceptions=True)
        stays = asyncio.create_task(collect(await queue.ask("c", painting(3))))
        render.go.set()
        return (await stays)[-1]

    assert at_a_queue(scenario, render) == {"event": "done", "seed": 3}
    assert (render.done, render.cancelled) == ([3], [1])


def test_a_full_queue_turns_away():
    render = Slow()

    async def scenario(queue):
        for client in "abc":
            await queue.ask(client, painting(0))
            await begun(render)
        with pytest.raises(QueueFullError, match="2 others wait"):
            await queue.ask("d", painting(0))
        # Who replaces a request of its own takes no further place.
        await queue.ask("c", painting(1))
        render.go.set()

    at_a_queue(scenario, render, most_waiting=2)


@pytest.mark.parametrize(
    ("error", "told"), [(LabelError("Too large."), "Too large."), (ZeroDivisionError(), "failed")]
)
def test_a_failure_is_told_and_the_next_is_served(error, told):
    def render(painting, _):
        if painting.seed == 1:
            raise error
        return {}

    async def scenario(queue):
        failed = await collect(await queue.ask("a", painting(1)))
        return failed[-1], (await collect(await queue.ask("a", painting(2))))[-1]

    failed, fine = at_a_queue(scenario, render)
    assert failed["event"] == "error" and told in failed["message"]
    assert fine == {"event": "done"}
