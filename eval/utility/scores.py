"""Scores of the arms of a utility experiment, with resamples of patients and seeds.

A score is the mean over seeds of the Dice of all test pixels together. Its uncertainty is that of
the patients who were tested and of the seeds that were trained: both are drawn in the bootstrap,
the same ones for the arms that are compared (patients and seeds are paired: a seed decides the
patients that are learnt from).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.segmenter.pixel_scores import Counts, Floats, dice, mean_of_defined
from eval.statistics.bootstrap import resamples
from eval.utility.arms import arm_plans
from eval.utility.config import ArmPlan, UtilityConfig
from eval.utility.plan import planned_trainings
from eval.utility.trainings import Outcome


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """An arm at a share: its test of every seed, values (S, K + 1) and resamples (B, K + 1).

    The last column is the mean over classes.
    """

    plan: ArmPlan
    share: float
    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    values_SX: Floats
    replicates_BX: Floats

    @property
    def arm(self) -> str:
        """Its name."""
        return self.plan.name

    @property
    def patients(self) -> int:
        """How many were tested."""
        return len(self.outcomes[0].units)

    @property
    def title(self) -> str:
        """What a report calls it; synthetic tiles alone are of a set, not of real patients."""
        if self.plan.uses_real:
            return f"{self.arm} at {self.share:.0%}"
        name = "synthetic alone" if self.plan.of is None else self.arm
        return name + (f" (set of {self.share:.0%})" if self.share < 1 else "")


def groups_of(outcomes: Sequence[Outcome], config: UtilityConfig) -> list[Group]:
    """In the order of the configuration."""
    of: defaultdict[tuple[str, float], list[Outcome]] = defaultdict(list)
    for planned in planned_trainings(config):
        of[planned.arm, planned.share] += [item for item in outcomes if item.planned == planned]
    plans = arm_plans(config)
    order = {arm: number for number, arm in enumerate(plans)}
    keys = sorted((key for key in of if of[key]), key=lambda key: (order[key[0]], key[1]))
    return [
        _group(plans[arm], share, of[arm, share], config.experiment.replicates)
        for arm, share in keys
    ]


def _group(plan: ArmPlan, share: float, outcomes: list[Outcome], replicates: int) -> Group:
    """Patients and seeds are drawn by fixed keys: groups with the same ones get the same draws."""
    patients = len(outcomes[0].units)
    drawn_BU = np.concatenate(list(resamples(patients, replicates=replicates, key=(0, 1))))
    drawn_BS = np.concatenate(list(resamples(len(outcomes), replicates=replicates, key=(0, 2))))
    by_seed_SBX = np.stack([values_of(_resampled(item, drawn_BU)) for item in outcomes])
    weights_SB1 = drawn_BS.T[:, :, None]
    # What is undefined for a drawn seed is undefined; what is not drawn does not matter.
    sums_BX = np.where(weights_SB1 > 0, weights_SB1 * by_seed_SBX, 0.0).sum(axis=0)
    return Group(
        plan=plan,
        share=share,
        seeds=tuple(item.planned.seed for item in outcomes),
        outcomes=tuple(outcomes),
        values_SX=np.stack([values_of(item.confusion_UKK.sum(axis=0)) for item in outcomes]),
        replicates_BX=sums_BX / len(outcomes),
    )


def _resampled(outcome: Outcome, drawn_BU: Floats) -> Floats:
    flat_UX = outcome.confusion_UKK.reshape(len(outcome.units), -1).astype(np.float64)
    return (drawn_BU @ flat_UX).reshape(-1, *outcome.confusion_UKK.shape[1:])


def values_of(confusion_BKK: Counts | Floats) -> Floats:
    """Dice of each class and their mean, (..., K + 1)."""
    dice_BK = dice(confusion_BKK)
    return np.concatenate([dice_BK, mean_of_defined(dice_BK)[..., None]], axis=-1)


def drawn_by(group: Group) -> str:
    """How the interval was made, for reports."""
    patients = f"{group.patients} test patients"
    if len(group.seeds) == 1:
        return f"percentile bootstrap over {patients}; one seed, whose chance is left out"
    return f"percentile bootstrap over {patients} and {len(group.seeds)} seeds"
