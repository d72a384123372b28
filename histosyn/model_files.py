"""The files of a model folder, whatever the model is: weights, configuration and a model card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from histosyn.file_values import values_text
from histosyn.labels import LabelSchema
from histosyn.model_place import CONFIG, WEIGHTS
from histosyn.shards.index import DatasetIndex
from histosyn.steps import Settings
from hpc.errors import DamagedFileError, InputError
from hpc.files import atomic_folder, sha256_of_bytes
from hpc.log import logger
from hpc.weights import WEIGHTS_DAMAGE, Weights, read_weights, require_finite, tensor_sha256

CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """What a model folder holds: `sha256` is that of its weights file."""

    config: dict[str, Any]
    state: dict[str, torch.Tensor]
    sha256: str


def weights_file(state: Mapping[str, torch.Tensor]) -> bytes:
    """The content of `model.safetensors`."""
    return safetensors.torch.save(
        {name: tensor.cpu().contiguous() for name, tensor in state.items()}
    )


def write_model_files(
    folder: Path,
    state: Mapping[str, torch.Tensor],
    config: dict[str, Any],
    card: Callable[[str], str],
) -> None:
    """Write a model folder, replacing an older model; InputError if something else is there.

    `card` makes the model card from the sha256 of the weights.
    """
    if folder.exists() and not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder} exists and is no model. Move it away and run the command again."
        )
    weights = weights_file(state)
    sha256 = sha256_of_bytes(weights)
    config = config | {"weights": _record(state, sha256)}
    with atomic_folder(folder, replace=True) as temporary:
        (temporary / WEIGHTS).write_bytes(weights)
        (temporary / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        (temporary / CARD).write_text(card(sha256), encoding="utf-8")


def read_model_files(folder: Path) -> ModelFiles:
    """Read a model folder.

    Raises DamagedFileError if a file of it is missing or damaged, if the weights have not the
    sha256 that the configuration records, or if they are not finite. Older versions recorded none:
    that is told once.
    """
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        weights = read_weights(folder / WEIGHTS)
        recorded = config.get("weights")
        fault = None if recorded is None else _difference(recorded, weights)
    except (*WEIGHTS_DAMAGE, AttributeError, KeyError, TypeError) as error:
        raise damaged_model(folder, error) from error
    if fault is not None:
        raise damaged_model(folder, ValueError(fault))
    require_finite(weights.state, str(folder / WEIGHTS))
    if recorded is None:
        _tell_unproven(folder.resolve())
    return ModelFiles(config=config, state=weights.state, sha256=weights.sha256)


def _record(state: Mapping[str, torch.Tensor], sha256: str) -> dict[str, Any]:
    """What `config.json` says of the weights: to know damage, and where it is."""
    tensors = {name: tensor_sha256(tensor.cpu()) for name, tensor in state.items()}
    return {"sha256": sha256, "tensors": tensors}


def _difference(recorded: dict[str, Any], weights: Weights) -> str | None:
    """How the weights differ from the record of them; None if they are those."""
    if weights.sha256 == recorded["sha256"]:
        return None
    meant = recorded["tensors"]
    altered = [
        name for name, tensor in weights.state.items() if meant.get(name) != tensor_sha256(tensor)
    ]
    which = f"other numbers in {', '.join(altered[:3])}" if altered else "its header differs"
    return f"{WEIGHTS} has not the sha256 that {CONFIG} says: {which}"


@cache
def _tell_unproven(folder: Path) -> None:
    """Once for each folder."""
    logger.warning(
        "%s records no sha256 of its weights: an older version made it. They are used as they are; "
        "whether they were damaged since cannot be known. Export the model again from its run to "
        "have them recorded.", folder,
    )  # fmt: skip


def damaged_model(folder: Path, error: Exception) -> DamagedFileError:
    """The error to raise when a model folder holds something else than it says."""
    return DamagedFileError(
        f"{folder} is damaged ({error}). Copy the model again or export it from its run."
    )


def training_facts(config: Settings, index: DatasetIndex, step: int) -> dict[str, Any]:
    """How a model was trained: what `training` in `config.json` says."""
    run = config.run
    return {
        "steps": step,
        "images_seen": step * config.data.global_batch,
        "global_batch": config.data.global_batch,
        "seed": run.seed,
        "precision": run.precision,
        "tiles": len(index),
        "shards_sha256": [shard.sha256 for shard in index.shards],
        "data_sha256": index.identity,
        "histosyn": version("histosyn"),
        "torch": torch.__version__,
    }


def trained_tile_size(config: Settings, index: DatasetIndex) -> tuple[int, int]:
    """(height, width) of what a model was shown: crops, or whole tiles."""
    crop = config.data.crop
    return index.tile_size if crop is None else (crop, crop)


def class_table(schema: LabelSchema) -> str:
    """The part of a model card that lists the classes."""
    rows = "\n".join(f"| {i} | {c.name} | {c.color} |" for i, c in enumerate(schema.classes))
    return f"""## Classes ({schema.name})

| index | class | colour |
|---|---|---|
{rows}
{_values_note(schema)}"""


def _values_note(schema: LabelSchema) -> str:
    """A paragraph on what stands for classes in index files, where that is not their index."""
    if schema.values_are_indices:
        return ""
    said = [
        f"{values_text(schema.known_values & (schema.class_of_value == index))} for {item.name}"
        for index, item in enumerate(schema.classes)
    ]
    return f"\nIn index files that histosyn did not write stands {', '.join(said)}.\n"
