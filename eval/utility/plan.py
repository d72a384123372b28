"""The planned trainings of a utility experiment, and which tiles each of them sees."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from eval.utility.arms import arm_plans
from eval.utility.config import SEED, SHARE, ArmPlan, UtilityConfig
from histosyn.packing.pack import PackConfig, pack
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.index import INDEX_NAME, DatasetIndex
from histosyn.shards.reader import ShardReader
from hpc.errors import DatasetError
from hpc.locks import locked
from hpc.randomness import key_of, permutation

_FROM_SHARD = ".label"


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """One training: an arm, the share of real patients it sees (or compares with), a seed."""

    arm: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        """Its folder below `trainings/`."""
        arm = self.arm.replace("+", "-and-").replace(" ", "-")
        return f"{arm}-{self.share:g}-seed-{self.seed}"


def planned_trainings(config: UtilityConfig) -> list[PlannedTraining]:
    """All trainings in a fixed order.

    Synthetic tiles alone are trained on once a seed, as of the largest share, unless every share
    has synthetic tiles of its own.
    """
    experiment = config.experiment
    return [
        PlannedTraining(arm=arm, share=share, seed=seed)
        for seed in experiment.seeds
        for plan in arm_plans(config).values()
        for arm, share in product((plan.name,), shares_of(plan, config))
    ]


def shares_of(plan: ArmPlan, config: UtilityConfig) -> tuple[float, ...]:
    """The shares at which an arm is trained."""
    shares = config.experiment.shares
    if plan.uses_real:
        return shares
    by_share = (
        len(config.data.synthetic) > 1
        if plan.of is None
        else SHARE in str(_crossed_folder(plan.of, config))
    )
    return shares if by_share else (max(shares),)


def _crossed_folder(name: str, config: UtilityConfig) -> Path:
    return config.crossed.shards[config.crossed.names.index(name)]


def patients_of(names: Iterable[str], share: float, seed: int) -> list[str]:
    """Who is learnt from, of these patients: at least one."""
    ordered = sorted(names)
    order = permutation(key_of(seed, "patients"), len(ordered))
    count = max(math.ceil(share * len(ordered) - 1e-9), 1)
    return sorted(ordered[number] for number in order[:count])


def patients_of_shares(config: UtilityConfig) -> list[tuple[float, int, str]]:
    """Share, seed and patient, for each patient of each share and seed.

    Asks for the real tiles only: it says whom the generators of the synthetic ones may see.
    """
    real = _opened(config.data.real)
    _require_groups(real)
    names = set(_groups(real.index))
    return [
        (share, seed, name)
        for share in config.experiment.shares
        for seed in config.experiment.seeds
        for name in patients_of(names, share, seed)
    ]


class Sources:
    """The data sets of an experiment, opened and checked.

    Raises DatasetError if their classes or tile sizes differ, or if a patient, or a label map, of
    the test tiles is also among those that are learnt from.
    """

    def __init__(self, config: UtilityConfig) -> None:
        self.config = config
        self.real = _opened(config.data.real)
        self.test = _opened(config.data.test)
        self._folders = _synthetic_folders(config, self.real)
        self._synthetic = {folder: _opened(folder) for folder in self._all_folders()}
        for other in (self.test, *self.synthetic):
            _require_alike(self.real, other)
        for reader in (self.real, self.test):
            _require_groups(reader)
        for learnt in (self.real, *self.synthetic):
            _require_apart(learnt, self.test)

    @property
    def synthetic(self) -> list[ShardReader]:
        """All data sets of synthetic tiles."""
        return list(self._synthetic.values())

    def synthetic_for(self, planned: PlannedTraining) -> ShardReader:
        """The synthetic tiles of the training's share and seed."""
        return self._synthetic[self._folder(self.arm(planned), planned.share, planned.seed)]

    def arm(self, planned: PlannedTraining) -> ArmPlan:
        """What the training's arm is."""
        return arm_plans(self.config)[planned.arm]

    def _folder(self, plan: ArmPlan, share: float, seed: int) -> Path:
        if plan.of is not None:
            name = str(_crossed_folder(plan.of, self.config)).replace(SHARE, f"{share:g}")
            return Path(name.replace(SEED, str(seed)))
        one_for_all = len(self._folders) == 1
        number = 0 if one_for_all else self.config.experiment.shares.index(share)
        return Path(str(self._folders[number]).replace(SEED, str(seed)))

    def _all_folders(self) -> list[Path]:
        """Each once, in the order of shares and seeds."""
        return list(dict.fromkeys(self._each_folder()))

    def _each_folder(self) -> Iterator[Path]:
        experiment, plans = self.config.experiment, arm_plans(self.config)
        if self._folders:
            own = ArmPlan(name="", schedule="alone")
            for share, seed in product(experiment.shares[: len(self._folders)], experiment.seeds):
                yield self._folder(own, share, seed)
        crossed = {plan.of: plan for plan in plans.values() if plan.of is not None}
        for plan in crossed.values():
            several = [each for each in plans.values() if each.of == plan.of]
            shares = {share for each in several for share in shares_of(each, self.config)}
            for share, seed in product(sorted(shares), experiment.seeds):
                yield self._folder(plan, share, seed)

    def patients(self, share: float, seed: int) -> list[str]:
        """The patients of a share, at least one: a larger share of a seed holds a smaller one."""
        return patients_of(set(self._group_of_row), share, seed)

    def rows(self, share: float, seed: int) -> np.ndarray:
        """The rows of these patients in the index of the real tiles."""
        return np.flatnonzero(np.isin(self._group_of_row, self.patients(share, seed)))

    @cached_property
    def _group_of_row(self) -> Sequence[str]:
        return _groups(self.real.index)


def _synthetic_folders(config: UtilityConfig, real: ShardReader) -> tuple[Path, ...]:
    """As configured; folders of pairs are packed once, below the experiment's folder."""
    data = config.data
    if data.synthetic_tiles is None or data.synthetic_labels is None:
        return data.synthetic
    packed = config.experiment.folder / "synthetic"
    # Parts that start together: one packs, the others wait for it.
    with locked(
        config.experiment.folder / ".synthetic.lock",
        busy=f"Another process is packing the synthetic tiles into {packed}.",
        risk="Start one part first, and the others when it trains.",
        wait=True,
    ):
        if not (packed / "train" / INDEX_NAME).is_file():
            schema = real.index.schema
            pack(data.synthetic_tiles, data.synthetic_labels, packed, schema, PackConfig())
    return (packed / "train",)


def _opened(folder: Path) -> ShardReader:
    ensure_index(folder)
    reader = open_shards(folder)
    reader.check_shards()
    return reader


def _require_alike(one: ShardReader, other: ShardReader) -> None:
    mine, theirs = ([item.name for item in r.index.schema.classes] for r in (one, other))
    if mine != theirs:
        raise DatasetError(
            f"{one.folders[-1]} has the classes {', '.join(mine)}, {other.folders[-1]} has "
            f"{', '.join(theirs)}. Pack all of them with one schema."
        )
    if one.index.tile_size != other.index.tile_size:
        sizes = ["{1}x{0}".format(*r.index.tile_size) for r in (one, other)]
        raise DatasetError(
            f"{one.folders[-1]} has tiles of {sizes[0]} pixels, {other.folders[-1]} of {sizes[1]}. "
            "Pack all of them in one size and at one resolution."
        )


def _require_groups(reader: ShardReader) -> None:
    """Without patients, `histosyn pack` takes every image for one of its own."""
    packing = reader.index.made_by.get("config")
    ungrouped = isinstance(packing, dict) and not packing.get("groups")
    if ungrouped or not all(_groups(reader.index)):
        raise DatasetError(
            f"{reader.folders[-1]} was packed without groups, so its patients are not known. Pack "
            "it again by patient, with --groups."
        )


def _require_apart(learnt: ShardReader, test: ShardReader) -> None:
    """Who learns from a test patient, or from tissue drawn after one, has seen the answers."""
    names = {name for name in _groups(learnt.index) if name}
    keys = {name.removesuffix(_FROM_SHARD) for name in _texts(learnt.index, "key")}
    common = names & set(_groups(test.index)) or keys & set(_texts(test.index, "key"))
    if common:
        raise DatasetError(
            f"{min(common)} is in {learnt.folders[-1]}, which is learnt from, and in "
            f"{test.folders[-1]}, which is tested on ({len(common)} such patients or label maps). "
            "Split by patient, and make synthetic tiles of other label maps than the test's."
        )


def _groups(index: DatasetIndex) -> list[str]:
    return [name.removesuffix(_FROM_SHARD) for name in _texts(index, "group")]


def _texts(index: DatasetIndex, column: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in index.table.rows[column].tolist()]
