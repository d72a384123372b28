"""A new run that starts from the networks of another one, with fresh optimizers, at step 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from histosyn.config.file import as_plain
from histosyn.models.checkpoint_state import load_state, taking_over
from histosyn.models.facts import ModelFacts, facts_from_dict
from histosyn.training.trainer import AVERAGE_IS_READY, Trainer
from hpc import checkpoint
from hpc.errors import ConfigError, InputError
from hpc.log import logger
from hpc.weights import require_finite

# What decides the shapes of their weights, besides the number of classes.
_SECTIONS = ("generator", "discriminator")


def take_over_networks(trainer: Trainer, source: Path) -> dict[str, Any]:
    """Give the trainer both networks and the moving average of a run folder or a checkpoint.

    Returns where they come from, as plain data: the checkpoint's path, step and sha256. Raises
    InputError if `source` is neither, DamagedFileError if it is damaged or not finite, and
    ConfigError listing the settings that differ if the networks have other shapes.
    """
    path = _checkpoint_of(source)
    state = load_state(path)
    facts = facts_from_dict(state["model"], str(path))
    networks: dict[str, nn.Module] = {
        **trainer.adversaries.networks,
        "ema": trainer.adversaries.ema.network,
    }
    with taking_over(path):
        weights = {name: state["trainer"]["players"][name] for name in networks}
        there = {name: _shapes(each) for name, each in weights.items()}
    if any(there[name] != _shapes(net.state_dict()) for name, net in networks.items()):
        raise ConfigError(
            f"The networks of {path} do not fit those of this run, which have other shapes: "
            f"{', '.join(_differences(trainer, state, facts))}. Set these as they were, or start "
            "without --fork."
        )
    for name, network in networks.items():
        require_finite(weights[name], f"{path}, {name}")
        network.load_state_dict(weights[name])
    trainer.take_over_average(state["trainer"].get(AVERAGE_IS_READY, True))
    _compare_classes(trainer, facts, path)
    origin = {
        "path": str(path),
        "step": state["trainer"]["step"],
        "sha256": checkpoint.sha256_of_checkpoint(path),
    }
    logger.info("starting from the networks of %(path)s, sha256 %(sha256).12s", origin)
    return origin


def _checkpoint_of(source: Path) -> Path:
    if (source / checkpoint.RECORD).is_file():
        return source
    for folder in (source / "checkpoints", source):
        newest = checkpoint.newest_valid(folder)
        if newest is not None:
            return newest
    raise InputError(
        f"--fork {source}: this is neither a run folder with a checkpoint nor a checkpoint. "
        "A model folder has no discriminator to go on with: give the run it was trained by."
    )


def _shapes(weights: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _differences(trainer: Trainer, state: dict[str, Any], facts: ModelFacts) -> list[str]:
    """Settings that decide shapes and differ, each with both values."""
    new, old = as_plain(trainer.config), state["config"]
    found = [
        f"{section}.{name} = {value} (there {old[section].get(name, 'not known yet')})"
        for section in _SECTIONS
        for name, value in new[section].items()
        if value != old[section].get(name)
    ]
    classes = len(trainer.stream.index.schema)
    classes_there = len(facts.schema)
    if classes != classes_there:
        found.append(f"{classes} classes of labels (there {classes_there})")
    return found


def _compare_classes(trainer: Trainer, facts: ModelFacts, path: Path) -> None:
    """Other classes may be wanted: another tissue starts from something like tissue."""
    new = trainer.stream.index.schema
    for index, (mine, theirs) in enumerate(zip(new.classes, facts.schema.classes, strict=True)):
        if mine.name != theirs.name:
            logger.warning(
                "class %d is %s here and was %s in %s", index, mine.name, theirs.name, path
            )
