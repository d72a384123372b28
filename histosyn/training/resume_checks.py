"""Whether a run may go on from a checkpoint: the settings and the tiles are those it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histosyn.config.earlier import training_as_begun
from histosyn.config.file import as_plain, differing_fields, from_dict
from histosyn.config.run import Settings
from histosyn.config.train import RESUMABLE_CHANGES, TrainConfig
from histosyn.training.trainable import TrainerKind, Training
from hpc.errors import ConfigError


def require_resumable(
    config: Settings, training: Training[TrainerKind], state: dict[str, Any], source: Path
) -> None:
    """Raise ConfigError unless `training`, with `config`, can go on from `state`.

    `source` is the checkpoint that the state is of.
    """
    folder = config.run.folder
    _require_same_kind(training, state, folder)
    changed = _changed_settings(config, state, source)
    if _data_sha256(state["model"]) != _data_sha256(training.facts()):
        changed.append("the shards (their sha256)")
    if changed:
        raise ConfigError(
            f"{folder} was started with other settings: {', '.join(changed)} changed. Restore them "
            f"to go on, or start {training.new_run}."
        )
    if config.run.steps < state["trainer"]["step"]:
        raise ConfigError(
            f"{folder} has taken {state['trainer']['step']} steps already, more than --run.steps "
            f"{config.run.steps}. Ask for more steps, or start a new run."
        )


def _require_same_kind(
    training: Training[TrainerKind], state: dict[str, Any], folder: Path
) -> None:
    there, here = (_kind(facts) for facts in (state["model"], training.facts()))
    if there != here:
        raise ConfigError(
            f"{folder} is the run of a {there}, and a {here} cannot go on from it. Choose another "
            "folder for this run."
        )


def _changed_settings(config: Settings, state: dict[str, Any], source: Path) -> list[str]:
    """The names of those that are not what they were, though they have to be."""
    kind = type(config)
    old = from_dict(kind, _complete(state["config"], kind), str(source))
    changed = [name for name in differing_fields(old, config) if name not in RESUMABLE_CHANGES]
    # Where it was forked from was settled then; who goes on need not say it again.
    forks = [as_plain(each)["run"].get("fork") for each in (old, config)]
    if "run.fork" in changed and None in forks:
        changed.remove("run.fork")
    return changed


def _complete(sections: dict[str, Any], kind: type[Settings]) -> dict[str, Any]:
    return training_as_begun(sections) if issubclass(kind, TrainConfig) else sections


def _kind(facts: dict[str, Any]) -> str:
    """What is trained; facts of a generator do not say it."""
    return str(facts.get("kind", "generator"))


def _data_sha256(facts: dict[str, Any]) -> str:
    return facts["training"]["data_sha256"]
