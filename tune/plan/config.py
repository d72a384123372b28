"""What a sweep is: a base configuration, a search space, what to look for, and how. One TOML file.

[train.data]            # any setting of `histosyn train`: what all trials have in common
shards = "packed/train"

[search]                # dotted settings and what their values are drawn from
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }

[[start]]               # values to try first, after the base configuration itself
optimizer.generator_lr = 2e-4

[objective.distance]    # what the trials are compared by

[sweep]
folder = "runs/sweeps/first"
validation = "packed/val"
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from histosyn.config.file import as_plain, differing_fields, from_dict, load_toml
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError, DamagedFileError, HistosynError
from hpc.json_toml import LARGEST_RECORD_BYTES, content_of, plain_json
from tune.plan.distributions import Choice, Distribution
from tune.plan.objective import EARLIER, Objective, parse_objective
from tune.plan.settings import MOST_TRIALS, SweepConfig
from tune.plan.space import Values, base_values, draw, grid, with_values
from tune.plan.space_file import parse_space, parse_start
from tune.plan.trial_folder import Origin, Suggestion, TrialFolder

_TABLES = ("train", "search", "start", "objective", "sweep")
_LISTS = ("start",)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One trial to be: its values, where they come from, and the training run that they make.

    It is measured every `evaluate_every` steps. `repeats` is the number of the trial that it
    repeats with another seed, if it does; it bears that number, too.
    """

    number: int
    values: Values
    training: TrainConfig
    origin: Origin
    evaluate_every: int
    repeats: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A whole sweep file. Its paths are absolute: trials run in other folders, on other nodes.

    `earlier` is a sweep that was begun before there were objectives, starts and samplers: it goes
    on without, in the random network's distance, all trials drawn and compared at equal steps.
    """

    train: TrainConfig
    space: dict[str, Distribution]
    sweep: SweepConfig
    start: tuple[Values, ...] = ()
    objective: Objective = field(default_factory=Objective)
    earlier: bool = False

    @cached_property
    def first(self) -> tuple[tuple[Origin, Values], ...]:
        """What is tried first: the defaults, then what was asked for."""
        if self.earlier:
            return ()
        defaults = base_values(self.space, self.train)
        return (("defaults", defaults), *(("start", values) for values in self.start))

    @cached_property
    def grid(self) -> tuple[Values, ...]:
        """The points of the grid that are not tried first, as far as they are asked for."""
        tried = [values for _, values in self.first]
        points = (point for point in grid(self.space) if point not in tried)
        return tuple(islice(points, max(self.sweep.samples - len(tried), 0)))

    def suggestion(self, number: int) -> Suggestion | None:
        """Trial `number` as far as it is a pure function of the sweep's seed, space and number.

        None if it depends on the trials before it.
        """
        if number < len(self.first):
            origin, values = self.first[number]
        elif self.sweep.sampler == "grid":
            origin, values = "grid", self.grid[number - len(self.first)]
        elif self.sweep.sampler == "random":
            return self.drawn(number)
        else:
            return None
        return Suggestion(number=number, origin=origin, values=values, seed=self.seed_of(values))

    def drawn(self, number: int) -> Suggestion:
        """Trial `number` as it is drawn at random, whatever the sampler."""
        values = draw(self.space, self.sweep.seed, number)
        return Suggestion(number=number, origin="random", values=values, seed=self.seed_of(values))

    def seed_of(self, values: Values) -> int:
        """The seed that a trial with these values is trained with."""
        return int(values.get("run.seed", self.train.run.seed))

    def candidate(self, number: int) -> Candidate:
        """Trial `number` (0, 1, ...).

        Raises ConfigError if values that are allowed one by one contradict each other, or if they
        have not been suggested yet.
        """
        suggestion = self.known_suggestion(number)
        if suggestion is None:
            raise ConfigError(
                f"Trial {number} of {self.sweep.folder} has not begun: what it is depends on those "
                "before it."
            )
        return self.candidate_of(suggestion)

    def known_suggestion(self, number: int) -> Suggestion | None:
        """Trial `number`, as it was written down or is planned; None if it is still to be found."""
        folder = self.trial_folder(number)
        found = TrialFolder(folder).suggestion()
        if found is not None and (found.number != number or found.repeats is not None):
            raise DamagedFileError(
                f"{folder}/trial.json is damaged (it is of another trial). Restore it from a copy; "
                "or remove the trial's folder, and the trial is run anew."
            )
        return found or self.suggestion(number)

    def candidate_of(self, suggestion: Suggestion) -> Candidate:
        """What was suggested, as a training run; ConfigError if the values contradict each other.

        All trials see as many images: one with twice the batch takes half as many steps.
        """
        number, source = suggestion.number, f"candidate {suggestion.number}"
        config = with_values(self.train, suggestion.values, source)
        steps, every = self._steps(config, self.train.run.steps, source), self.sweep.evaluate_every
        device: Literal["cpu", "cuda"] = "cuda" if self.sweep.gpus_per_trial else "cpu"
        repeats = suggestion.repeats
        folder = self.trial_folder(number, None if repeats is None else suggestion.seed)
        seed = config.run.seed if repeats is None else suggestion.seed
        run = replace(config.run, folder=folder, device=device, steps=steps, seed=seed)
        training = replace(config, run=run)
        self.require_shares(training, source)
        self.objective.require_no_part_in(training, source)
        return Candidate(
            number=number,
            values=suggestion.values,
            training=training,
            origin=suggestion.origin,
            evaluate_every=self._steps(config, every, source),
            repeats=repeats,
        )

    def require_shares(self, training: TrainConfig, source: str) -> None:
        """Raise ConfigError unless a trial's processes can share its batches evenly."""
        batch, processes = training.data.global_batch, self.sweep.processes_per_trial
        if batch % processes:
            raise ConfigError(
                f"{source}: data.global_batch = {batch} cannot be shared evenly by the {processes} "
                f"processes of a trial (sweep.processes_per_trial). Choose multiples of "
                f"{processes}, or fewer processes."
            )

    def _steps(self, config: TrainConfig, base_steps: int, source: str) -> int:
        """As many images as the base configuration sees in its steps, in steps of `config`."""
        if self.earlier:
            return base_steps
        batch, images = config.data.global_batch, base_steps * self.train.data.global_batch
        if images % batch:
            raise ConfigError(
                f"{source}: data.global_batch = {batch} does not divide the {images} images after "
                "which trials are measured, or end. Choose train.run.steps and "
                "sweep.evaluate_every so that it does."
            )
        return images // batch

    def place(self, step: int, images_seen: int) -> int:
        """Where a trial stands, in steps of the base configuration."""
        return step if self.earlier else images_seen // self.train.data.global_batch

    def repeat(self, number: int, seed: int) -> Suggestion:
        """Trial `number`, to be trained once more with another seed."""
        values, origin = self.candidate(number).values, self.candidate(number).origin
        return Suggestion(number=number, origin=origin, values=values, seed=seed, repeats=number)

    def best_training(self, number: int, precision: str | None = None) -> TrainConfig:
        """Candidate `number` as a training run of its own, on the base configuration's device, and
        in the precision that the trial was computed in."""
        config = self.candidate(number).training
        run = replace(config.run, folder=self.sweep.folder / "best", device=self.train.run.device,
                      precision=cast(Any, precision or config.run.precision))  # fmt: skip
        return replace(config, run=run)

    def trial_folder(self, number: int, seed: int | None = None) -> Path:
        """The run folder of trial `number`, or of its repetition with a seed."""
        if seed is None:
            return self.sweep.folder / "trials" / f"{number:04d}"
        return self.sweep.folder / "repeats" / f"{number:04d}-seed-{seed}"

    def as_plain(self) -> dict[str, Any]:
        """Plain data that `sweep_from_dict` reads back as the same sweep."""
        plain = {
            "train": as_plain(self.train),
            "search": {field: item.as_plain() for field, item in self.space.items()},
            "sweep": as_plain(self.sweep),
        }
        if self.earlier:
            return plain
        return plain | {"start": list(self.start), "objective": self.objective.as_plain()}

    def differences(self, other: Sweep) -> list[str]:
        """Dotted names of what differs from another sweep."""
        searched = sorted(self.space.keys() | other.space.keys())
        return [
            *(f"train.{name}" for name in differing_fields(self.train, other.train)),
            *(f"search.{name}" for name in searched
              if self.space.get(name) != other.space.get(name)),
            *(["start"] if self.start != other.start else []),
            *(["objective"] if self.objective != other.objective else []),
            *(f"sweep.{name}" for name in differing_fields(self.sweep, other.sweep)),
        ]  # fmt: skip


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file (TOML). Raises InputError or ConfigError naming the file and the key."""
    data = load_toml(path)
    return sweep_from_dict(data, str(path), earlier=_begun_earlier(data.get("sweep")))


def sweep_from_dict(data: dict[str, Any], source: str, *, earlier: bool = False) -> Sweep:
    """Build a sweep from plain data, strictly; `source` is what errors call it.

    Raises ConfigError for whatever would fail later: an unknown key or field, values that a field
    can't take, candidates that contradict themselves, a grace period longer than the training.
    """
    tables = _tables(data, source)
    train = _absolute(from_dict(TrainConfig, tables["train"], source, "train."))
    space = parse_space(tables["search"], train, f"{source} [search]")
    settings = from_dict(SweepConfig, tables["sweep"], source, "sweep.")
    if settings.grace_period > train.run.steps:
        raise ConfigError(
            f"{source}: sweep.grace_period = {settings.grace_period} is more than train.run.steps "
            f"= {train.run.steps}. Lower it; if they are equal, no trial is stopped early."
        )
    sweep = Sweep(
        train=train,
        space=space,
        sweep=replace(
            settings,
            folder=settings.folder.absolute(),
            validation=settings.validation.absolute(),
        ),
        start=parse_start(tables["start"], space, train, f"{source} [[start]]"),
        objective=EARLIER
        if earlier and not tables["objective"]
        else parse_objective(tables["objective"], source),
        earlier=earlier,
    )
    if settings.sampler == "grid":
        sweep = _with_grid(sweep, "samples" in tables["sweep"], source)
    if settings.repeat_best and "run.seed" in space:
        raise ConfigError(
            f"{source}: run.seed is searched, so that sweep.repeat_best cannot tell chance from "
            "settings. Leave out one of them."
        )
    if train.run.seed in settings.repeat_best:
        raise ConfigError(
            f"{source}: sweep.repeat_best = {list(settings.repeat_best)} holds train.run.seed, "
            "with which the trials are trained: that would be no other training. Name others."
        )
    # Trial 0 is the file's own configuration.
    sweep.require_shares(train, source)
    for number in range(sweep.sweep.samples):
        # A model's suggestions are not known yet: those that are drawn show contradictions as well.
        sweep.candidate_of(sweep.suggestion(number) or sweep.drawn(number))
    return sweep


def _begun_earlier(settings: Any) -> bool:
    """Whether the sweep's folder holds one that was begun before there were objectives."""
    try:
        folder = from_dict(SweepConfig, settings, "").folder
        saved = plain_json(content_of(folder / "sweep.json", LARGEST_RECORD_BYTES))
    except (OSError, ValueError, TypeError, AttributeError, HistosynError):
        # Whatever is wrong is told when the settings, and the record, are read in earnest.
        return False
    return isinstance(saved, dict) and "objective" not in saved


def _with_grid(sweep: Sweep, limited: bool, source: str) -> Sweep:
    """With as many trials as the grid has points, unless that is limited."""
    for name, item in sweep.space.items():
        if not isinstance(item, Choice):
            raise ConfigError(
                f"{source}: sweep.sampler = grid tries each value, and {name} has a range. Name "
                "its values: { choice = [...] }, or take the sampler random."
            )
    full = replace(sweep, sweep=replace(sweep.sweep, samples=MOST_TRIALS))
    trials = len(full.first) + len(full.grid)
    if trials == MOST_TRIALS and not limited:
        raise ConfigError(
            f"{source}: the grid has {MOST_TRIALS:,} trials or more. Set sweep.samples to run the "
            "first ones, or name fewer values."
        )
    if limited and sweep.sweep.samples > trials:
        raise ConfigError(
            f"{source}: sweep.samples = {sweep.sweep.samples}, but the grid has {trials} trials, "
            "with the defaults and [[start]]. Leave sweep.samples out to run them all."
        )
    return sweep if limited else replace(sweep, sweep=replace(sweep.sweep, samples=trials))


def _tables(data: dict[str, Any], source: str) -> dict[str, Any]:
    for name, table in data.items():
        if name not in _TABLES:
            near = get_close_matches(name, _TABLES, n=1)
            known = ", ".join(f"[{each}]" for each in _TABLES)
            hint = f"did you mean [{near[0]}]?" if near else f"known: {known}."
            raise ConfigError(f"{source}: unknown table [{name}]; {hint}")
        if name not in _LISTS and not isinstance(table, dict):
            raise ConfigError(f"{source}: {name} must be a table, not {table!r}.")
    return {name: data.get(name, [] if name in _LISTS else {}) for name in _TABLES}


def _absolute(config: TrainConfig) -> TrainConfig:
    features = config.loss.perceptual_network
    return replace(
        config,
        data=replace(config.data, shards=config.data.shards.absolute()),
        loss=replace(config.loss, perceptual_network=features and features.absolute()),
    )
