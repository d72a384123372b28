"""What a utility experiment shows: scores of every arm, and whether an arm is no worse than real.

The primary statistic is the mean Dice over classes; the margin, which was set before, is for its
difference from real tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from eval.segmenter.pixel_scores import Floats
from eval.statistics.equivalence import EQUIVALENCE_LEVEL, equivalence_test
from eval.statistics.interval import INTERVAL_LEVEL, few_drawn, with_interval
from eval.statistics.result import Number, Result
from eval.utility.arms import twin_of, work_of
from eval.utility.config import SEED, SHARE, UtilityConfig
from eval.utility.plan import PlannedTraining, Sources, planned_trainings
from eval.utility.scores import Group, drawn_by, groups_of, values_of
from eval.utility.trainings import Outcome
from histosyn.config.file import as_plain
from hpc.errors import DatasetError

_MEAN_DICE, _DICE = "mean_dice", "dice"
_FEW_SEEDS = 3
_MANY_ARMS = 12
_ONE_SYNTHETIC = (
    "One set of synthetic tiles serves every share: unless its generator saw no more than the "
    "smallest share of the real patients, the arms with synthetic tiles know more than their share "
    "says. Name one set for each share (data.synthetic)."
)
_NOT_BY_SEED = (
    "Seeds differ in the patients of a share below 1, but one set of synthetic tiles serves them "
    "all: its generator has seen other patients than some of its arms. Name a set for each seed, "
    "with {seed} in data.synthetic."
)


def report_utility(outcomes: Sequence[Outcome], sources: Sources, config: UtilityConfig) -> Result:
    """The result of all trainings that are done; raises DatasetError if there is none."""
    if not outcomes:
        raise DatasetError(
            f"No training of {config.experiment.folder} is done yet. Run the command without "
            "--report, or with --part, first."
        )
    groups = groups_of(outcomes, config)
    classes = [item.name for item in sources.real.index.schema.classes]
    missing = [planned.name for planned in missing_trainings(outcomes, config)]
    return Result(
        kind="utility",
        inputs=_inputs(outcomes, sources, config),
        settings={"margin": config.experiment.margin, "interval_level": INTERVAL_LEVEL,
                  "equivalence_level": EQUIVALENCE_LEVEL, "steps": config.training.steps,
                  "global_batch": config.data.global_batch,
                  "superiority_margin": config.experiment.superiority_margin,
                  "replicates": config.experiment.replicates,
                  "config": as_plain(config)},
        numbers=(
            *(number for group in groups for number in _scores(group, classes, config)),
            *(
                number
                for group in groups
                for reference in _references(group, groups, config)
                for number in _differences(group, reference, classes, config)
            ),
        ),
        warnings=tuple(_warnings(groups, missing, config)),
        tables={
            "trainings": [_training_row(item) for item in outcomes],
            "missing": missing,
            # On whatever machines they ran: nothing else of a result depends on that.
            "minutes": [{**asdict(item.planned), "minutes": item.minutes} for item in outcomes],
        },
    )  # fmt: skip


def missing_trainings(outcomes: Sequence[Outcome], config: UtilityConfig) -> list[PlannedTraining]:
    """The trainings that are not done yet."""
    done = {item.planned for item in outcomes}
    return [planned for planned in planned_trainings(config) if planned not in done]


def _scores(group: Group, classes: list[str], config: UtilityConfig) -> list[Number]:
    """Mean Dice first, then that of each class."""
    columns = [len(classes), *range(len(classes))]
    return [_score(group, column, [*classes, None][column], config) for column in columns]


def _score(group: Group, column: int, of_class: str | None, config: UtilityConfig) -> Number:
    values_S = group.values_SX[:, column]
    value = float(values_S.mean())
    defined = not np.isnan(value)
    more = values_S.std(ddof=1) if len(values_S) > 1 and defined else None
    number = Number(
        name=_MEAN_DICE if of_class is None else _DICE,
        value=value if defined else None,
        n=group.outcomes[0].tiles,
        method="mean over seeds of the Dice of all test pixels together",
        reason=None if defined else _reason(of_class),
        details={
            "arm": group.arm,
            "real_share": group.share,
            **_described(group, config),
            "seeds": list(group.seeds),
            "sd_over_seeds": None if more is None else float(more),
            **({} if of_class is None else {"class": of_class}),
        },
    )
    return _with_interval(number, group, group.replicates_BX[:, column])


def _reason(of_class: str | None) -> str:
    """Why there is no Dice."""
    if of_class is None:
        return "no class is in the test tiles"
    return "the class is neither in the label maps nor read"


def _with_interval(number: Number, group: Group, replicates_B: Floats) -> Number:
    single = "test patient" if group.patients == 1 else None
    return with_interval(number, replicates_B, over=drawn_by(group), single=single)


def _references(group: Group, groups: Sequence[Group], config: UtilityConfig) -> list[Group]:
    """Real tiles of the same share and augmentation, and all of them; then the control. None is
    compared with itself."""
    twin = twin_of(group.plan)
    real = [other for other in groups if other.arm == twin and other.seeds == group.seeds]
    full = max((other.share for other in groups if other.arm == twin), default=None)
    shares = (group.share, full)
    return [
        *(other for other in real if other is not group and other.share in shares),
        *(other for other in groups if _is_control(other, group, config.crossed.control)),
    ]


def _is_control(other: Group, group: Group, control: str | None) -> bool:
    """Whether it differs from the group in nothing but the set, which is the control's."""
    if control is None or group.plan.of in (None, control):
        return False
    return (other.plan, other.share, other.seeds) == (
        replace(group.plan, of=control, name=other.arm),
        group.share,
        group.seeds,
    )


def _differences(
    group: Group, reference: Group, classes: list[str], config: UtilityConfig
) -> list[Number]:
    """That of mean Dice, with what it shows, then that of each class."""
    mean = _difference(group, reference, len(classes), None, config)
    return [
        _judged(mean, group, reference, config),
        *(
            _difference(group, reference, column, name, config)
            for column, name in enumerate(classes)
        ),
    ]


def _difference(
    group: Group, reference: Group, column: int, of_class: str | None, config: UtilityConfig
) -> Number:
    values_S = group.values_SX[:, column] - reference.values_SX[:, column]
    replicates_B = group.replicates_BX[:, column] - reference.replicates_BX[:, column]
    value = float(values_S.mean())
    number = Number(
        name=f"{_MEAN_DICE if of_class is None else _DICE}_difference",
        value=None if np.isnan(value) else value,
        n=group.outcomes[0].tiles,
        method=f"difference of {'Dice' if of_class else 'mean Dice'}, patients and seeds paired",
        reason=_reason(of_class) if np.isnan(value) else None,
        details={
            "arm": group.arm,
            "real_share": group.share,
            **_described(group, config),
            "reference": reference.arm,
            "reference_set": reference.plan.of,
            "reference_share": reference.share,
            "seeds": list(group.seeds),
            **({} if of_class is None else {"class": of_class}),
        },
    )
    return _with_interval(number, group, replicates_B)


def _judged(number: Number, group: Group, reference: Group, config: UtilityConfig) -> Number:
    """The difference of mean Dice, with what is shown by the margins."""
    replicates_B = group.replicates_BX[:, -1] - reference.replicates_BX[:, -1]
    margin = config.experiment.margin
    # One seed's chance is in no interval, and may be larger than any margin.
    shown = number.interval is not None and len(group.seeds) > 1
    test = equivalence_test(replicates_B, margin) if shown else None
    superiority = config.experiment.superiority_margin
    verdict = _nothing(number) if test is None else _verdict(test, margin, superiority)
    told = {
        "equivalence": test,
        "statement": f"{group.title} against {reference.title}: {verdict}",
        "conclusions": None if test is None else conclusions(test, margin, superiority),
        "superiority_margin": superiority,
    }
    return replace(number, details=number.details | told)


def conclusions(test: dict[str, Any], margin: float, superiority: float) -> dict[str, bool]:
    """Which of three claims is shown, each by a one-sided test at 5 % (or two of them)."""
    low, _ = test["interval"]
    defined = test["equivalent"] is not None
    return {
        "superior": defined and low > superiority,
        "non_inferior": defined and low > -margin,
        "equivalent": bool(test["equivalent"]),
    }


def _described(group: Group, config: UtilityConfig) -> dict[str, Any]:
    """What a crossed arm is, and what a training of it costs in tiles."""
    plan = group.plan
    work = work_of(plan, config)
    return {
        "schedule": plan.schedule,
        "set": plan.of,
        "is_control": plan.of is not None and plan.of == config.crossed.control,
        "strong": plan.strong,
        "ratio": work.synthetic_tiles / work.real_tiles if work.real_tiles else None,
        "steps": work.all_steps,
        "real_tiles_seen": work.real_tiles,
        "synthetic_tiles_seen": work.synthetic_tiles,
    }


def _nothing(number: Number) -> str:
    if len(number.details["seeds"]) == 1:
        return "nothing is shown by one seed"
    return f"nothing is shown: {number.reason or number.details['interval_note']}"


def _verdict(test: dict[str, Any], margin: float, superiority: float) -> str:
    """In words, at the level of two one-sided 5 % tests."""
    low, high = test["interval"]
    if test["equivalent"] is None:
        return f"nothing is shown: {test['reason']}"
    if test["equivalent"]:
        verdict = f"equivalent within {margin:g}"
    elif low > -margin:
        verdict = f"non-inferior by a margin of {margin:g}"
    elif high < -margin:
        verdict = f"worse by more than {margin:g}"
    else:
        verdict = f"not shown to be non-inferior by a margin of {margin:g}"
    by = f" by more than {superiority:g}" if superiority else ""
    better = f"; better{by}" if low > superiority else ""
    return f"{verdict}{better}"


def _inputs(outcomes: Sequence[Outcome], sources: Sources, config: UtilityConfig) -> dict[str, Any]:
    readers = {"real": sources.real, "test": sources.test}
    readers |= {f"synthetic_{i}": reader for i, reader in enumerate(sources.synthetic, 1)}
    return {
        "experiment": str(config.experiment.folder),
        "test_patients": list(outcomes[0].units),
        **{
            name: {
                "name": str(reader.folders[-1]),
                "tiles": len(reader.index),
                "sha256": reader.index.identity,
                "mpp": reader.index.mpp,
            }
            for name, reader in readers.items()
        },
    }


def _training_row(outcome: Outcome) -> dict[str, Any]:
    """What a training saw, and how its segmenter did on its own."""
    row = {name: outcome.training.get(name) for name in ("real_patients", "real_tiles",
                                                        "synthetic_tiles", "steps")}  # fmt: skip
    mean = float(values_of(outcome.confusion_UKK.sum(axis=0))[-1])
    return {
        **asdict(outcome.planned),
        **row,
        "segmenter_sha256": outcome.segmenter_sha256,
        "mean_dice": None if np.isnan(mean) else mean,
        "confusion": outcome.confusion_UKK.sum(axis=0).tolist(),
    }


def _warnings(groups: list[Group], missing: list[str], config: UtilityConfig) -> list[str]:
    few = few_drawn("test", groups[0].patients, "patient")
    found = [] if few is None else [few]
    if min(len(group.seeds) for group in groups) < _FEW_SEEDS:
        found.append(f"Fewer than {_FEW_SEEDS} seeds: how much chance there is, is hardly known.")
    with_synthetic = any(group.plan.uses_synthetic and not group.plan.of for group in groups)
    shares = {group.share for group in groups}
    if with_synthetic and len(config.data.synthetic) <= 1 and min(shares) < max(shares):
        found.append(_ONE_SYNTHETIC)
    elif with_synthetic and min(shares) < 1 and not config.data.synthetic_by_seed:
        found.append(_NOT_BY_SEED)
    for name in {group.plan.of: None for group in groups if group.plan.of is not None}:
        path = str(config.crossed.shards[config.crossed.names.index(name)])
        if SHARE not in path and min(shares) < max(shares):
            found.append(f"{name}: {_ONE_SYNTHETIC}")
        elif SEED not in path and min(shares) < 1:
            found.append(f"{name}: {_NOT_BY_SEED}")
    if len(groups) > _MANY_ARMS:
        found.append(
            f"{len(groups)} arms and shares are compared: of twenty that gain nothing one is "
            "likely to be called better. Name the one that counts before you look."
        )
    if missing:
        found.append(
            f"{len(missing)} trainings are not done yet, such as {missing[0]}: what is compared "
            "with them is missing as well."
        )
    return found
