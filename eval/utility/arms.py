"""The arms of a utility experiment as data: what is learnt from, in which order, how much of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from eval.utility.config import ArmPlan, UtilityConfig

REAL, AUGMENTATION = "real", "augmentation"
_BUILT_IN = {
    REAL: ArmPlan(name=REAL, schedule=None),
    AUGMENTATION: ArmPlan(name=AUGMENTATION, schedule=None, strong=True),
    "real+synthetic": ArmPlan(name="real+synthetic", schedule="replacing"),
    "synthetic": ArmPlan(name="synthetic", schedule="alone"),
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a training of an arm does: steps on synthetic tiles alone, before; then `steps` more.

    In each of the latter `synthetic` tiles are synthetic and the others, `real`, real.
    """

    before: int
    steps: int
    real: int
    synthetic: int

    @property
    def all_steps(self) -> int:
        """Both together."""
        return self.before + self.steps

    @property
    def real_tiles(self) -> int:
        """Real tiles that are seen, each as often as it is."""
        return self.steps * self.real

    @property
    def synthetic_tiles(self) -> int:
        """Synthetic tiles that are seen."""
        return self.before * (self.real + self.synthetic) + self.steps * self.synthetic


def arm_plans(config: UtilityConfig) -> dict[str, ArmPlan]:
    """All arms by their names, those of `experiment.arms` first, then what is crossed."""
    plans: dict[str, ArmPlan] = {name: _BUILT_IN[name] for name in config.experiment.arms}
    crossed = config.crossed
    for of, schedule, ratio, strong in product(
        crossed.names, crossed.schedules, crossed.ratios, crossed.strong
    ):
        alone = schedule == "alone"
        name = f"{schedule} {of}{'' if alone else f' x{ratio:g}'}{' strong' if strong else ''}"
        plans.setdefault(
            name,
            ArmPlan(name=name, schedule=schedule, of=of, ratio=None if alone else ratio,
                    strong=strong),
        )  # fmt: skip
    return plans


def work_of(plan: ArmPlan, config: UtilityConfig) -> Work:
    """Steps and tiles a step of an arm.

    `added`: as many real tiles are seen as in the arm real, in more steps. `replacing`: as many
    steps. `pretrained`: the synthetic ones first, then the steps of the arm real.
    """
    batch, steps = config.data.global_batch, config.training.steps
    if plan.schedule is None:
        return Work(before=0, steps=steps, real=batch, synthetic=0)
    if plan.schedule == "alone":
        return Work(before=0, steps=steps, real=0, synthetic=batch)
    if plan.schedule == "pretrained":
        before = max(round(steps * (plan.ratio or 1.0)), 1)
        return Work(before=before, steps=steps, real=batch, synthetic=0)
    synthetic = config.synthetic_tiles_a_step(plan)
    real = batch - synthetic
    if plan.schedule == "added":
        steps = math.ceil(steps * batch / real)
    return Work(before=0, steps=steps, real=real, synthetic=synthetic)


def twin_of(plan: ArmPlan) -> str:
    """The arm of real tiles with the same augmentation: what an arm is compared with."""
    crossed = plan.name not in _BUILT_IN
    return AUGMENTATION if crossed and plan.strong else REAL
