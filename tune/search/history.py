"""What is known of a sweep's trials, from their folders: all that a sampler learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tune.plan.config import Sweep
from tune.plan.trial_folder import Ending, Seen, TrialFolder


@dataclass(frozen=True, kw_only=True)
class Known:
    """A trial that has begun: its values, what was measured at which place, and how it ended.

    `ending` is None for one under way.
    """

    number: int
    values: Mapping[str, Any]
    course: Mapping[int, Mapping[str, float]]
    ending: Ending | None

    @property
    def seen(self) -> Seen:
        """In short, for the record of what a suggestion rests on."""
        return Seen(trial=self.number, place=max(self.course, default=0), ending=self.ending)


def history(sweep: Sweep) -> list[Known]:
    """All trials that have begun, in the order of their numbers.

    One that failed, by a fault of the machine or the data, says nothing of its values: it is left
    out until it is tried again.
    """
    return [
        known
        for number in range(sweep.sweep.samples)
        if (known := _known(sweep, number)) is not None and known.ending != "failed"
    ]


def _known(sweep: Sweep, number: int) -> Known | None:
    folder = TrialFolder(sweep.trial_folder(number))
    suggestion = folder.suggestion()
    if suggestion is None:
        return None
    outcome = folder.outcome()
    return Known(
        number=number,
        values=suggestion.values,
        course={
            sweep.place(each.step, each.images_seen): each.measured
            for each in folder.evaluations().values()
        },
        ending=outcome.status if outcome else None,
    )
