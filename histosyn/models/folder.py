"""A model to ship: `model.safetensors`, `config.json` and a model card; and loading one.

Spectral normalization is folded into the weights, so a model needs no training state.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch.nn.utils import parametrize

from histosyn.models.card import Measured, model_card
from histosyn.models.checkpoint_state import load_state, taking_over
from histosyn.models.facts import ModelFacts, facts_from_dict
from histosyn.models.files import damaged_model, read_model_files, weights_file, write_model_files
from histosyn.models.path import CONFIG, WEIGHTS, model_kind
from histosyn.models.stored import Stored, how_stored
from histosyn.networks.generator import Generator
from histosyn.networks.inference import Precision, made_ready
from hpc import checkpoint
from hpc.errors import InputError
from hpc.files import sha256_of_bytes
from hpc.log import logger
from hpc.paths import AnyPath, as_path
from hpc.run_folder_names import CHECKPOINTS
from hpc.weights import require_finite


@dataclass(frozen=True, kw_only=True)
class Model:
    """A generator ready for inference, and what is known of it, as `load_model` gives it.

    `sha256` is that of its weights file, which tells models apart; `stored` is how that file holds
    numbers, `precision` how they are computed with.
    """

    network: Generator
    facts: ModelFacts
    sha256: str
    precision: Precision = "float32"
    stored: Stored = "float32"


def save_model(folder: AnyPath, network: Generator, facts: ModelFacts) -> None:
    """Write a model folder, replacing an older model; InputError if something else is there."""
    folder = as_path(folder, "model")
    save_weights(folder, _folded(facts, network.state_dict()).state_dict(), facts)


def save_weights(
    folder: Path,
    state: dict[str, torch.Tensor],
    facts: ModelFacts,
    measured: Measured | None = None,
) -> None:
    """`save_model` for the state of a generator whose spectral normalization is folded already."""
    card = partial(model_card, facts, folder.resolve().name, measured or Measured())
    write_model_files(folder, state, facts.as_dict(), card)


def load_model(
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
) -> Model:
    """Load the generator of a model folder, a checkpoint (its moving average) or a run folder.

    In a run folder it is the newest checkpoint whose average has its batch statistics, or the model
    of a run that has ended since. `device` is cpu, cuda or cuda:1. In `precision` bfloat16 it is
    about twice as fast, and its tiles are not quite the same as in float32. What it was trained on
    is in `facts`: the label schema, tile size in pixels (height, width), microns per pixel.

    Raises InputError if `path` is none of these or the device is not there, DamagedFileError if a
    file is damaged.
    """
    path, device = as_path(path, "model"), _device(device)
    _require_precision(precision)
    match model_kind(path):
        case "model":
            return _load_model_folder(path, device, precision)
        case "checkpoint":
            return _load_checkpoint(path, device, precision)
        case "run":
            return _load_run(path, device, precision)


def _device(device: torch.device | str) -> torch.device:
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"device {device!r} is none. Give cpu, cuda, cuda:1 or a torch.device."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device}: no GPU is to be seen here. Give cpu.")
    return found


def _require_precision(precision: str) -> None:
    if precision not in get_args(Precision):
        raise InputError(
            f"precision {precision!r} is none. Give {' or '.join(get_args(Precision))}."
        )


def _load_run(path: Path, device: torch.device, precision: Precision) -> Model:
    newest = checkpoint.newest_valid(path / CHECKPOINTS)
    if newest is None:
        raise InputError(f"{path} holds no valid checkpoint yet. Train longer first.")
    if not checkpoint.is_resume_only(newest):
        return _load_checkpoint(newest, device, precision)
    if (path / "model" / WEIGHTS).is_file():
        model = _load_model_folder(path / "model", device, precision)
        steps = model.facts.training.get("steps")
        if checkpoint.checkpoint_path(newest.parent, steps or 0) == newest:
            return model
    ready = checkpoint.newest_valid(newest.parent, also_resume_only=False)
    if ready is not None:
        logger.warning(
            "%s is for going on only; %s is used, the newest one for looking at.",
            newest, ready.name,
        )  # fmt: skip
    return _load_checkpoint(ready or newest, device, precision)


def _load_model_folder(path: Path, device: torch.device, precision: Precision) -> Model:
    files = read_model_files(path)
    facts = facts_from_dict(files.config, str(path / CONFIG))
    network = _without_weights(facts)
    _fold(network)
    try:
        _take_over(network, files.state)
    except RuntimeError as error:
        raise damaged_model(path, error) from error
    ready = _ready(network, facts, files.sha256, device, precision)
    return replace(ready, stored=how_stored(files.state))


def _load_checkpoint(path: Path, device: torch.device, precision: Precision) -> Model:
    state = load_state(path)
    facts = facts_from_dict(state["model"], str(path))
    if checkpoint.is_resume_only(path):
        raise InputError(
            f"{path} was saved to go on from, at a stop or by the clock: the batch statistics of "
            "its average are not counted. Run the training command again: with --run.steps "
            f"{state['trainer']['step']} it makes the model of this step and ends, else it goes on."
        )
    with taking_over(path):
        average = state["trainer"]["players"]["ema"]
        require_finite(average, str(path))
        network = _folded(facts, average)
    sha256 = sha256_of_bytes(weights_file(network.state_dict()))
    return _ready(network, facts, sha256, device, precision)


def _ready(
    network: Generator, facts: ModelFacts, sha256: str, device: torch.device, precision: Precision
) -> Model:
    network = made_ready(network.to(device), precision)
    return Model(network=network, facts=facts, sha256=sha256, precision=precision)


def _folded(facts: ModelFacts, state: dict[str, Any]) -> Generator:
    """A float32 generator of this state with spectral normalization folded into its weights.

    Always a fresh network: torch keeps a parametrization on the class of a module, which deep
    copies share, so folding a copy would break the original.
    """
    network = _without_weights(facts)
    _take_over(network, state)
    _fold(network)
    return network


def _without_weights(facts: ModelFacts) -> Generator:
    """To draw first weights that are replaced at once would take longer than to read a model."""
    with torch.device("meta"):
        return Generator(facts.generator, len(facts.schema))


def _take_over(network: Generator, state: dict[str, Any]) -> None:
    """Use these very tensors; raises RuntimeError if they are not the network's."""
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    network.load_state_dict(floats, assign=True)


def _fold(network: Generator) -> None:
    network.eval()  # in training mode each look at a weight would change it
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
