"""The label maps that new ones are made of: read, measured, and drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np

from histosyn.labels.label_map import LabelSchema
from histosyn.new_labels.likeness import Likeness, likeness_of
from histosyn.new_labels.records import pixels_sha256
from histosyn.new_labels.regions import Layers, taken_apart
from histosyn.new_labels.seen import MapFacts, Seen, facts_of, seen_in
from histosyn.shards.label_maps import StoredMap, stored_maps
from hpc.errors import InputError, LabelError
from hpc.files import sha256_of_bytes
from hpc.parallel import map_in_order

# Maps in memory at a time, of this process.
_KEPT = 64
_DONORS = 64
_LIKENESSES = 4096
_TILE_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceMap:
    """One label map: where it lies, the digests of that and of its class indices.

    `size` is (H, W), `class_pixels` (K,).
    """

    stored: StoredMap
    sha256: str
    pixels_sha256: str
    size: tuple[int, int]
    class_pixels: np.ndarray

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        return self.stored.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """All label maps, their schema, and the classes that are objects, the smallest kind first."""

    schema: LabelSchema
    maps: tuple[SourceMap, ...]
    kinds: tuple[int, ...]
    seen: Seen

    @property
    def ignore(self) -> int | None:
        """The index of pixels without a label."""
        return self.schema.ignore

    @cached_property
    def shares(self) -> np.ndarray:
        """The share of each class in each map, (N, K)."""
        return np.array([one.class_pixels / math.prod(one.size) for one in self.maps])

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each map."""
        return tuple(one.size for one in self.maps)

    def read(self, number: int) -> np.ndarray:
        """Class indices, uint8 (H, W), not to be written to."""
        return _kept(self.maps[number].stored, self.schema)

    def apart(self, number: int) -> Layers:
        """The same, taken apart."""
        return _apart(self.maps[number].stored, self.schema, self.kinds)

    def likeness(self, number: int) -> Likeness:
        """The same, measured: what a map from nothing takes from it."""
        return _likeness(self.maps[number].stored, self.schema, self.kinds)


def read_sources(
    folder: Path, schema: LabelSchema | None, processes: int | None, *, objects: bool = True
) -> Sources:
    """Read and measure all label maps of `folder`; without `objects` no class is of objects.

    `folder` holds files or shards; the latter need no schema. Raises InputError for an empty
    folder, LabelError for what is no label map of the schema, SchemaError if shards have another
    one, and InputError if objects fill every map, so that nothing is known of what is below them.
    """
    stored, schema = stored_maps(folder, schema)
    kinds = schema.object_classes if objects else ()
    measured = partial(_measured, schema=schema, kinds=kinds)
    maps: list[SourceMap] = []

    def facts() -> Iterator[MapFacts]:
        for one, of_map in map_in_order(measured, stored, processes):
            maps.append(one)
            yield of_map

    try:
        seen = seen_in(facts(), len(schema), len(kinds))
    except LabelError as error:
        if all(Path(one.name).suffix.lower() in _TILE_SUFFIXES for one in stored):
            error.add_note("These look like tiles: LABELS is the folder of their label maps.")
        raise
    _refuse_full(maps, schema, kinds)
    order = sorted(range(len(kinds)), key=lambda place: (seen.usual_area[place], place))
    return Sources(
        schema=schema,
        maps=tuple(maps),
        kinds=tuple(kinds[place] for place in order),
        seen=seen.of_kinds(order),
    )


def _measured(
    stored: StoredMap, *, schema: LabelSchema, kinds: Sequence[int]
) -> tuple[SourceMap, MapFacts]:
    labels_HW = stored.read(schema)
    facts = facts_of(labels_HW, len(schema), kinds)
    one = SourceMap(
        stored=stored,
        sha256=sha256_of_bytes(stored.data()),
        pixels_sha256=pixels_sha256(labels_HW),
        size=facts.size,
        class_pixels=facts.class_pixels,
    )
    return one, facts


def _refuse_full(maps: Sequence[SourceMap], schema: LabelSchema, kinds: Sequence[int]) -> None:
    if not kinds:
        return
    pixels = np.sum([one.class_pixels for one in maps], axis=0)
    if pixels.sum() and pixels[list(kinds)].sum() == pixels.sum():
        names = " and ".join(schema.classes[kind].name for kind in kinds if pixels[kind])
        raise InputError(
            f"Objects of {names} fill every map: nothing is known of what lies below them. Pass "
            "--no-objects, or leave objects = true out of such classes of the schema."
        )


@lru_cache(maxsize=_KEPT)
def _kept(stored: StoredMap, schema: LabelSchema) -> np.ndarray:
    labels_HW = stored.read(schema)
    labels_HW.flags.writeable = False
    return labels_HW


@lru_cache(maxsize=_DONORS)
def _apart(stored: StoredMap, schema: LabelSchema, kinds: tuple[int, ...]) -> Layers:
    return taken_apart(_kept(stored, schema), kinds, schema.ignore)


@lru_cache(maxsize=_LIKENESSES)
def _likeness(stored: StoredMap, schema: LabelSchema, kinds: tuple[int, ...]) -> Likeness:
    return likeness_of(_apart(stored, schema, kinds), kinds, schema.ignore)
