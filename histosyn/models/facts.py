"""What must be known of a generator to use it, and how `config.json` and checkpoints say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from histosyn.config.earlier import generator_as_made
from histosyn.config.file import from_dict
from histosyn.config.networks import GeneratorConfig
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import LabelSchema, schema_from_dict
from histosyn.labels.object_sizes import ObjectSizes, Sizes, sizes_as_plain
from histosyn.models.files import (
    ModelRecord,
    model_record,
    model_records,
    trained_tile_size,
    training_facts,
)
from histosyn.models.path import CONFIG, SEGMENTER
from histosyn.pretrained.packages import Pretrained
from histosyn.shards.index import DatasetIndex
from histosyn.stain.seen import SeenStains
from hpc.errors import DamagedFileError, InputError

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
