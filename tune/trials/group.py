"""A trial of several processes: starts its ranks, hears what they measure, and watches them.

A rank that is lost is noticed here at once, while the others may wait for it in a collective; all
are ended then, and Tune tries the trial again, from its checkpoint. The ranks are those of any
other training; Ray Train would have checkpoints and restarts of its own beside ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

import ray
import ray.tune
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from hpc.errors import LostProcessError
from hpc.preemption import Stopped
from hpc.run_state import read_state
from hpc.topology import loopback, places_on, rank_variables
from tune.plan.config import Sweep
from tune.plan.settings import SweepConfig
from tune.plan.trial_folder import Outcome, TrialFolder
from tune.trials.rank import End, Place, Rank

# A rank works, is heard, and is told to go on, at the same time.
_THREADS = 3
# For the others, when one has ended badly, to notice it and to write down what they know.
_GRACE_SECONDS = 15.0
_LOOPBACK = "127.0.0.1"


def run_trial_of_several(config: dict[str, Any], sweep: Sweep) -> None:
    """As `run_trial`, in `sweep.processes_per_trial` processes beside this one.

    Raises LostProcessError if one of them was lost.
    """
    folder = TrialFolder(sweep.trial_folder(config["number"], config.get("seed")))
    # One that was asked to stop has saved, and has no outcome.
    with suppress(Stopped), _started(config, sweep) as ranks:
        group = Group(ranks, folder)
        outcome = group.make_up() or group.train() or group.measure_model()
        folder.conclude(outcome or Outcome(status="finished"))


@contextmanager
def _started(config: dict[str, Any], sweep: Sweep) -> Iterator[list[Any]]:
    """Actors for the ranks, each in its bundle of the trial's placement group; killed at the end,
    also when Tune ends this process.
    """
    ranks: list[Any] = []
    try:
        for bundle in range(sweep.sweep.processes_per_trial):
            ranks.append(_actor(bundle, sweep.sweep).remote(config, sweep))
        yield ranks
    finally:
        for rank in ranks:
            ray.kill(rank)


def _actor(bundle: int, settings: SweepConfig) -> Any:
    share = settings.share_of_process
    placement = ray.util.get_current_placement_group()
    assert placement is not None, "the trial was given one with a bundle for each process"
    strategy = PlacementGroupSchedulingStrategy(placement, placement_group_bundle_index=bundle)
    return ray.remote(Rank).options(
        num_cpus=share["CPU"], num_gpus=share["GPU"], max_concurrency=_THREADS,
        scheduling_strategy=strategy,
    )  # fmt: skip


class Group:
    """The ranks of a trial. What its methods return is how the trial ended, or None if all is well.

    What is measured meanwhile is told to Tune, which may end this process then.
    """

    def __init__(self, ranks: Sequence[Any], folder: TrialFolder) -> None:
        self._ranks = ranks
        self._folder = folder
        self._before = read_state(folder.path)
        self._places: dict[int, Place] = {}
        self._places = dict(enumerate(self._results([rank.place.remote() for rank in ranks])))
        self._take_places()
        self._hearing = ranks[0].next_told.remote()

    def _take_places(self) -> None:
        nodes = [place.node for place in self._places.values()]
        # What ranks of one node tell each other nobody else is to reach.
        together = len(set(nodes)) == 1
        host = _LOOPBACK if together else self._places[0].host
        meeting = self._result(self._ranks[0].listen.remote(host), 0)
        variables = [rank_variables(mine, meeting) for mine in places_on(nodes)]
        inside = loopback() if together else {}
        self._results(
            [
                rank.take.remote(self._gpus(node) | its, inside)
                for rank, node, its in zip(self._ranks, nodes, variables, strict=True)
            ]
        )

    def _gpus(self, node: str) -> dict[str, str]:
        """Ray shows each process its own only; ranks of a node number them all alike."""
        gpus = [gpu for place in self._places.values() if place.node == node for gpu in place.gpus]
        return {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}

    def make_up(self) -> Outcome | None:
        """The first rank measures what was left unmeasured; the others have no group yet to wait
        in, and are not kept waiting by it.
        """
        return self._watched({self._ranks[0].make_up.remote(): 0})

    def train(self) -> Outcome | None:
        """All train."""
        first, *others = self._ranks
        works = {first.train_and_measure.remote(): 0}
        works |= {rank.train.remote(): number for number, rank in enumerate(others, 1)}
        return self._watched(works)

    def measure_model(self) -> Outcome | None:
        """The first rank measures what came of it, if that is still to be done."""
        return self._watched({self._ranks[0].measure_model.remote(): 0})

    def _watched(self, works: dict[Any, int]) -> Outcome | None:
        """Until all have done their work, or one has ended badly; meanwhile the first is heard."""
        waiting = dict(works)
        while waiting:
            (ready,), _ = ray.wait([self._hearing, *waiting])
            if ready == self._hearing:
                self._pass_on()
                continue
            rank = waiting.pop(ready)
            try:
                end = self._result(ready, rank)
            except RayTaskError:
                ray.wait([*waiting], num_returns=len(waiting), timeout=_GRACE_SECONDS)
                raise
            if end is not None:
                return self._outcome(end, waiting)
        return None

    def _pass_on(self) -> None:
        ray.tune.report(self._result(self._hearing, 0))
        self._ranks[0].go_on.remote()
        self._hearing = self._ranks[0].next_told.remote()

    def _outcome(self, end: End, waiting: dict[Any, int]) -> Outcome:
        """What the rank says that knows why, once the others have had time to notice it."""
        ready, _ = ray.wait([*waiting], num_returns=len(waiting), timeout=_GRACE_SECONDS)
        for told in chain([end], (self._result(each, waiting[each]) for each in ready)):
            if isinstance(told, Outcome):
                return told
            if isinstance(told, Stopped):
                raise told
        raise LostProcessError(
            f"{self._who(0)} ended, and none of the {len(self._ranks)} said why."
        )

    def _results(self, works: Sequence[Any]) -> list[Any]:
        """What all ranks answer, in their order."""
        return [self._result(each, rank) for rank, each in enumerate(works)]

    def _result(self, work: Any, rank: int) -> Any:
        """What a rank answers; LostProcessError if it never will."""
        try:
            return ray.get(work)
        except RayActorError as error:
            raise LostProcessError(self._reason(rank)) from error

    def _reason(self, rank: int) -> str:
        """Why a rank was lost: what was written down while it still could be, if anything was."""
        state = read_state(self._folder.path)
        if state is not None and state != self._before and state.state == "failed":
            return state.reason
        return f"{self._who(rank)} was killed (most often memory ran out), or its node was lost."

    def _who(self, rank: int) -> str:
        place = self._places.get(rank)
        which = f"Process {rank} of {len(self._ranks)}"
        return which if place is None else f"{which} ({place.pid} on {place.host})"
