"""The files of a model folder, whatever the model is: weights, configuration and a model card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch

from histosyn.config.run import Settings
from histosyn.labels.class_values import values_text
from histosyn.labels.label_map import LabelSchema
from histosyn.labels.schema import PROPOSED
from histosyn.models.path import CONFIG, WEIGHTS
from histosyn.shards.index import DatasetIndex
from hpc.errors import DamagedFileError, InputError
from hpc.files import atomic_folder, sha256_of_bytes
from hpc.log import logger
from hpc.records import Count, Records, Resolution, Side, Text
from hpc.weights import WEIGHTS_DAMAGE, Weights, read_weights, require_finite, tensor_sha256

CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What is used of `training` in `config.json`; that may hold anything else, too."""

    steps: Count | None = None
    images_seen: Count | None = None
    data_sha256: Text | None = None


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The sha256 of the weights file, and of each tensor in it."""

    sha256: Text
    tensors: dict[str, Text]


@dataclass(frozen=True, kw_only=True)
class _Config:
    """What of `config.json` is needed to read the weights, whatever the model is."""

    weights: WeightsRecord | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What every model's `config.json` says, beside its network's own section."""

    format_version: Count
    schema: dict[str, Any]
    tile_size: tuple[Side, Side]
    mpp: Resolution | None
    training: dict[str, Any]


RecordKind = TypeVar("RecordKind", bound=ModelRecord)

_REMEDY = "Copy the model again or export it from its run."
_CONFIGS = Records(kind=_Config, remedy=_REMEDY)
_TRAININGS = Records(kind=TrainingRecord, remedy=_REMEDY)


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
        config = _CONFIGS.read_plain(folder / CONFIG)
        recorded = _CONFIGS.checked(config, str(folder / CONFIG)).weights
        weights = read_weights(folder / WEIGHTS)
        fault = None if recorded is None else _difference(recorded, weights)
    except WEIGHTS_DAMAGE as error:
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


def _difference(recorded: WeightsRecord, weights: Weights) -> str | None:
    """How the weights differ from the record of them; None if they are those."""
    if weights.sha256 == recorded.sha256:
        return None
    meant = recorded.tensors
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
    return DamagedFileError(f"{folder} is damaged ({error}). {_REMEDY}")


def model_records(kind: type[RecordKind]) -> Records[RecordKind]:
    """How the configurations of one kind of model are read."""
    return Records(kind=kind, remedy=_REMEDY)


def model_record(
    records: Records[RecordKind], config: Any, source: str, version: int, kind: str
) -> RecordKind:
    """What the configuration of a `kind` of model says; `source` is what errors call it.

    Raises DamagedFileError for what is none, and for the format of another version.
    """
    found = config.get("format_version") if isinstance(config, dict) else None
    if type(found) is int and found != version:
        raise DamagedFileError(
            f"{source} has {kind} format {found}, this histosyn reads {version}. Use the version "
            "that wrote it."
        )
    record = records.checked(config, source)
    _TRAININGS.checked(record.training, f"{source}, training,")
    return record


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
    name = "named by no schema file" if schema.name == PROPOSED else schema.name
    return f"""## Classes ({name})

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
