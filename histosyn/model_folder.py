"""A model to ship: `model.safetensors`, `config.json` and a model card; and loading one.

Spectral normalization is folded into the weights, so a model needs no training state.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch.nn.utils import parametrize

from histosyn.config import GeneratorConfig, TrainConfig, from_dict
from histosyn.labels import LabelSchema, schema_from_dict
from histosyn.networks.generator import Generator
from histosyn.shards.index import DatasetIndex
from hpc import checkpoint
from hpc.errors import DamagedFileError, InputError
from hpc.files import atomic_folder, sha256_of_bytes

FORMAT_VERSION = 1
_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What must be known of a generator to use it: everything in `config.json`."""

    generator: GeneratorConfig
    schema: LabelSchema
    tile_size: tuple[int, int]
    mpp: float | None
    training: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in `config.json` and in checkpoints."""
        return {
            "format_version": FORMAT_VERSION,
            "generator": asdict(self.generator),
            "schema": self.schema.as_dict(),
            "tile_size": list(self.tile_size),
            "mpp": self.mpp,
            "training": self.training,
        }


@dataclass(frozen=True, kw_only=True)
class Model:
    """A generator ready for inference; `sha256` is that of its weights file."""

    network: Generator
    facts: ModelFacts
    sha256: str


def model_facts(
    config: TrainConfig, index: DatasetIndex, step: int, forked_from: dict[str, Any] | None = None
) -> ModelFacts:
    """What is to be known of the generator that `config` has trained for `step` steps.

    `forked_from` says which checkpoint its run started from (see `histosyn.fork`).
    """
    crop, run = config.data.crop, config.run
    return ModelFacts(
        generator=config.generator,
        schema=index.schema,
        tile_size=index.tile_size if crop is None else (crop, crop),
        mpp=index.mpp,
        training={
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
            **({"forked_from": forked_from} if forked_from else {}),
        },
    )


def facts_from_dict(data: dict[str, Any], source: str) -> ModelFacts:
    """Read back `ModelFacts.as_dict`; `source` is what errors call it."""
    try:
        if not isinstance(data["generator"], dict):
            raise TypeError("generator is no table")
        if data["format_version"] != FORMAT_VERSION:
            raise DamagedFileError(
                f"{source} has model format {data['format_version']}, this histosyn reads "
                f"{FORMAT_VERSION}. Use the version that wrote it."
            )
        return ModelFacts(
            generator=from_dict(GeneratorConfig, data["generator"], source, "generator."),
            schema=schema_from_dict(data["schema"], source),
            tile_size=(int(data["tile_size"][0]), int(data["tile_size"][1])),
            mpp=data["mpp"],
            training=data["training"],
        )
    except (KeyError, TypeError, IndexError, ValueError, InputError) as error:
        raise DamagedFileError(f"{source} is damaged: {error!r}. Copy it again.") from error


def save_model(folder: Path, network: Generator, facts: ModelFacts) -> None:
    """Write a model folder, replacing an older model; InputError if something else is there."""
    save_weights(folder, _folded(facts, network.state_dict()).state_dict(), facts)


def save_weights(folder: Path, state: dict[str, torch.Tensor], facts: ModelFacts) -> None:
    """`save_model` for the state of a generator whose spectral normalization is folded already."""
    if folder.exists() and not (folder / _WEIGHTS).is_file():
        raise InputError(
            f"{folder} exists and is no model. Move it away and run the command again."
        )
    weights = _weights_file(state)
    with atomic_folder(folder, replace=True) as temporary:
        (temporary / _WEIGHTS).write_bytes(weights)
        (temporary / _CONFIG).write_text(json.dumps(facts.as_dict(), indent=2), encoding="utf-8")
        (temporary / _CARD).write_text(
            _model_card(facts, sha256_of_bytes(weights)), encoding="utf-8"
        )


def load_model(path: Path, device: torch.device) -> Model:
    """Load the generator of a model folder, a checkpoint (its moving average) or a run folder.

    Raises InputError if `path` is none of these, DamagedFileError if a file of it is damaged.
    """
    if (path / _WEIGHTS).is_file():
        return _load_model_folder(path, device)
    if (path / checkpoint.RECORD).is_file():
        return _load_checkpoint(path, device)
    if (path / "checkpoints").is_dir():
        newest = checkpoint.newest_valid(path / "checkpoints")
        if newest is None:
            raise InputError(f"{path} holds no valid checkpoint yet. Train longer first.")
        return _load_checkpoint(newest, device)
    raise InputError(
        f"{path} is no model: give a model folder ({_WEIGHTS}), a checkpoint "
        f"({checkpoint.RECORD}) or a run folder (checkpoints/)."
    )


def _load_model_folder(path: Path, device: torch.device) -> Model:
    try:
        facts = facts_from_dict(
            json.loads((path / _CONFIG).read_text("utf-8")), str(path / _CONFIG)
        )
        weights = (path / _WEIGHTS).read_bytes()
        network = _folded(facts)
        network.load_state_dict(safetensors.torch.load(weights))
    except (OSError, ValueError, SafetensorError, RuntimeError) as error:
        raise DamagedFileError(
            f"{path} is damaged ({error}). Copy the model again or export it from its run."
        ) from error
    return Model(network=_ready(network, device), facts=facts, sha256=sha256_of_bytes(weights))


def _load_checkpoint(path: Path, device: torch.device) -> Model:
    state = checkpoint.load(path)
    facts = facts_from_dict(state["model"], str(path))
    network = _folded(facts, state["trainer"]["players"]["ema"])
    sha256 = sha256_of_bytes(_weights_file(network.state_dict()))
    return Model(network=_ready(network, device), facts=facts, sha256=sha256)


def _ready(network: Generator, device: torch.device) -> Generator:
    return network.to(device).eval().requires_grad_(False)


def _folded(facts: ModelFacts, state: dict[str, Any] | None = None) -> Generator:
    """A float32 generator with spectral normalization folded into its weights (of `state`).

    Always a fresh network: torch keeps a parametrization on the class of a module, which deep
    copies share, so folding a copy would break the original.
    """
    network = Generator(facts.generator, len(facts.schema))
    if state is not None:
        network.load_state_dict(state)
    network.eval()  # in training mode each look at a weight would change it
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def _weights_file(state: dict[str, torch.Tensor]) -> bytes:
    """The content of `model.safetensors`."""
    return safetensors.torch.save(
        {name: tensor.cpu().contiguous() for name, tensor in state.items()}
    )


def _model_card(facts: ModelFacts, sha256: str) -> str:
    classes = "\n".join(
        f"| {i} | {c.name} | {c.color} |" for i, c in enumerate(facts.schema.classes)
    )
    training = "\n".join(f"- {name}: {value}" for name, value in facts.training.items())
    mpp = f"{facts.mpp} microns per pixel" if facts.mpp else "unknown resolution"
    sizes = "any size" if facts.generator.fixed_side is None else "this size only"
    return f"""# A histosyn generator

Turns label maps into synthetic H&E tissue. What it makes is not real tissue and shows no patient:
not for diagnosis.

- trained on tiles of {facts.tile_size[0]}x{facts.tile_size[1]} pixels, {mpp}; takes {sizes}
- weights: {_WEIGHTS}, sha256 {sha256}
- made by histosyn {version("histosyn")}

## Classes ({facts.schema.name})

| index | class | colour |
|---|---|---|
{classes}

## Training

{training}

Use it: `histosyn synth THIS_FOLDER LABELS OUT`
"""
