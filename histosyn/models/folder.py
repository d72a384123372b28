"""A model to ship: `model.safetensors`, `config.json` and a model card; and loading one.

Spectral normalization is folded into the weights, so a model needs no training state.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import torch
from torch.nn.utils import parametrize

from histosyn.config.earlier import generator_as_made
from histosyn.config.file import from_dict
from histosyn.config.networks import GeneratorConfig
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import LabelSchema, schema_from_dict
from histosyn.labels.object_sizes import ObjectSizes, Sizes, sizes_as_plain
from histosyn.models.checkpoint_state import load_state, taking_over
from histosyn.models.files import (
    ModelRecord,
    class_table,
    damaged_model,
    model_record,
    model_records,
    read_model_files,
    trained_tile_size,
    training_facts,
    weights_file,
    write_model_files,
)
from histosyn.models.front_matter import front_matter
from histosyn.models.path import CONFIG, SEGMENTER, WEIGHTS, model_kind
from histosyn.models.stored import Stored, how_stored
from histosyn.networks.generator import Generator
from histosyn.networks.inference import Precision, made_ready
from histosyn.pretrained.packages import Pretrained
from histosyn.shards.index import DatasetIndex
from histosyn.stain.seen import SeenStains
from hpc import checkpoint
from hpc.errors import DamagedFileError, InputError
from hpc.files import sha256_of_bytes
from hpc.log import logger
from hpc.paths import AnyPath, as_path
from hpc.run_folder_names import CHECKPOINTS
from hpc.weights import require_finite

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class GeneratorRecord(ModelRecord):
    """What a generator's `config.json` says. Versions before 0.2 knew nothing of objects."""

    generator: dict[str, Any]
    objects: dict[str, ObjectSizes] = field(default_factory=dict)
    stains: dict[str, Any] = field(default_factory=dict)


GENERATORS = model_records(GeneratorRecord)


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What must be known of a generator to use it: everything in `config.json`."""

    generator: GeneratorConfig
    schema: LabelSchema
    tile_size: tuple[int, int]
    mpp: float | None
    training: dict[str, Any]
    # How large the objects in the training label maps were, at this resolution.
    objects: Sizes = field(default_factory=dict)
    # The stains of training tiles, of a generator that takes a stain.
    stains: SeenStains = field(default_factory=SeenStains)

    @property
    def frozen_networks(self) -> tuple[str, ...]:
        """The sha256 of each network of others by whose features the generator was trained.

        `training` names them as `histosyn.pretrained` does, under "frozen_networks". Raises
        DamagedFileError if it names them otherwise.
        """
        try:
            return tuple(str(each["sha256"]) for each in self.training.get("frozen_networks", ()))
        except (TypeError, KeyError) as error:
            raise DamagedFileError(
                f"{CONFIG} does not give the sha256 of each of training.frozen_networks. Copy the "
                "model again."
            ) from error

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in `config.json` and in checkpoints."""
        return {
            "format_version": FORMAT_VERSION,
            "generator": asdict(self.generator),
            "schema": self.schema.as_dict(),
            "tile_size": list(self.tile_size),
            "mpp": self.mpp,
            "training": self.training,
            **({"objects": sizes_as_plain(self.objects)} if self.objects else {}),
            **({"stains": self.stains.as_dict()} if len(self.stains) else {}),
        }


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


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model card tells of measurements: `results` of `model-index`, and text (Markdown)."""

    results: tuple[dict[str, Any], ...] = ()
    text: str = ""


def model_facts(
    config: TrainConfig,
    index: DatasetIndex,
    step: int,
    forked_from: dict[str, Any] | None = None,
    objects: Sizes | None = None,
    stains: SeenStains | None = None,
    frozen_networks: Sequence[Pretrained] = (),
) -> ModelFacts:
    """What is to be known of the generator that `config` has trained for `step` steps.

    `forked_from` says which checkpoint its run started from (see `histosyn.training.fork`).
    """
    return ModelFacts(
        generator=config.generator,
        schema=index.schema,
        tile_size=trained_tile_size(config, index),
        mpp=index.mpp,
        training={
            **training_facts(config, index, step),
            **({"forked_from": forked_from} if forked_from else {}),
            **(
                {"frozen_networks": [network.as_dict() for network in frozen_networks]}
                if frozen_networks
                else {}
            ),
        },
        objects=objects or {},
        stains=stains or SeenStains(),
    )


def facts_from_dict(data: Any, source: str) -> ModelFacts:
    """Read back `ModelFacts.as_dict`; `source` is what errors call it.

    Raises InputError for those of a segmenter, DamagedFileError for what histosyn did not write.
    """
    if isinstance(data, dict) and data.get("kind") == SEGMENTER:
        raise InputError(
            f"{source} is of a segmenter, which reads tissue and makes none. Give a generator: the "
            "run of `histosyn train`, a checkpoint of it, or its model."
        )
    record = model_record(GENERATORS, data, source, FORMAT_VERSION, "model")
    try:
        return ModelFacts(
            generator=from_dict(
                GeneratorConfig, generator_as_made(record.generator), source, "generator."
            ),
            schema=schema_from_dict(record.schema, source),
            tile_size=record.tile_size,
            mpp=record.mpp,
            training=record.training,
            objects=record.objects,
            stains=_stains(record.stains, source),
        )
    except InputError as error:
        raise DamagedFileError(f"{source} is damaged: {error} Copy it again.") from error


def _stains(plain: dict[str, Any], source: str) -> SeenStains:
    try:
        return SeenStains.from_dict(plain) if plain else SeenStains()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source}: its stains are damaged: {error}.") from error


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
    card = partial(_model_card, facts, folder.resolve().name, measured or Measured())
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


def _model_card(facts: ModelFacts, name: str, measured: Measured, sha256: str) -> str:
    training = "\n".join(f"- {name}: {value}" for name, value in facts.training.items())
    mpp = f"{facts.mpp} microns per pixel" if facts.mpp else "unknown resolution"
    sizes = "any size" if facts.generator.fixed_side is None else "this size only"
    return f"""{front_matter(facts.schema, name=name, results=measured.results)}
# A histosyn generator

Turns label maps into synthetic H&E tissue. What it makes is not real tissue and shows no patient:
not for diagnosis.

- trained on tiles of {facts.tile_size[0]}x{facts.tile_size[1]} pixels, {mpp}; takes {sizes}
- weights: {WEIGHTS}, sha256 {sha256}
- made by histosyn {version("histosyn")}

{class_table(facts.schema)}
## Data

{_data(facts)}
## Training

{training}
{measured.text}
## Use

`histosyn synth THIS_FOLDER LABELS OUT`, or in Python `histosyn.load_model("THIS_FOLDER")`. Nothing
is fetched from anywhere. For other programs: `histosyn export THIS_FOLDER generator.onnx --onnx`.
"""


def _data(facts: ModelFacts) -> str:
    """The part of the card on the training set: what the model knows of it."""
    known = facts.training
    rows = [
        f"- label schema {facts.schema.name}: {len(facts.schema)} classes",
        f"- {known['tiles']:,} tiles" if isinstance(known.get("tiles"), int) else "",
        f"- sha256 of schema and samples {known['data_sha256']}" if "data_sha256" in known else "",
        "- its name, its origin and its terms: not known to histosyn; say them here",
    ]
    return "".join(f"{row}\n" for row in rows if row)
