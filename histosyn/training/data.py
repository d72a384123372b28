"""The stream of a training run: shards opened, indexed if need be, copied to the node's disk."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from histosyn.config.data import DataConfig
from histosyn.config.run import Settings
from histosyn.config.train import TrainConfig
from histosyn.labels.object_sizes import SAMPLE, Sizes, measure_objects
from histosyn.networks.label_tables import label_tables
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.reader import ShardReader
from histosyn.shards.staging import stage, staging_folder
from histosyn.shards.stream import ShardStream
from histosyn.stain.code import as_floats, stain_code
from histosyn.stain.seen import MOST_SEEN, SeenStains
from hpc import collectives
from hpc.errors import DatasetError
from hpc.log import track
from hpc.paths import expanded_path
from hpc.randomness import distinct_integers, key_of
from hpc.topology import Topology


def open_stream(
    config: Settings, topology: Topology, device: torch.device | None = None
) -> ShardStream:
    """This rank's stream; every rank calls it, and all of them raise the same error if it fails.

    For a generator that is trained on a `device`, batches come with the tables of its label maps.

    Raises InputError or DatasetError if there are no shards to train on, SampleError (unless bad
    samples are to be skipped) or DatasetError for those that are damaged as a whole.
    """
    data = config.data
    reader = _open_reader(data)
    find = None
    if isinstance(config, TrainConfig) and device is not None:
        find = label_tables(config, len(reader.index.schema), device)
    return ShardStream(
        reader,
        global_batch=data.global_batch,
        seed=config.run.seed,
        topology=topology,
        crop=data.crop,
        augmented=data.augment,
        stain_jitter=data.stain_jitter,
        rare_class_threshold=data.rare_class_threshold,
        on_bad_sample=data.on_bad_sample,
        workers=data.workers,
        find=find,
    )


def stage_shards(data: DataConfig, stream: ShardStream, steps: range, topology: Topology) -> None:
    """Copy to the node's disk what these steps read; the ranks of a node share the work.

    Raises HistosynError or DamagedFileError on all ranks if it fails on one.
    """
    if data.stage_to is None:
        return
    needed = stream.shards_for(steps.start, steps.stop)
    copies = stage(
        stream.index,
        data.shards,
        _on_this_node(data.stage_to),
        needed,
        leave_damaged=data.on_bad_sample == "skip",
    )
    shown = track(copies, total=len(needed), what="shards staged") if topology.is_first else copies
    collectives.run_on_every_rank(lambda: sum(1 for _ in shown))


def _open_reader(data: DataConfig) -> ShardReader:
    """Where the shards will be staged, the copies are read."""
    skip = data.on_bad_sample == "skip"
    collectives.run_on_rank_0(lambda: ensure_index(data.shards, data.schema, leave_out_bad=skip))
    readers: list[ShardReader] = []
    collectives.run_on_every_rank(
        lambda: readers.append(open_shards(data.shards, accept_left_out=skip))
    )
    (reader,) = readers
    if not skip:
        collectives.run_on_rank_0(reader.check_shards)
    if data.stage_to is None:
        return reader
    places: list[Path] = []
    stage_to = data.stage_to
    # What is not set on one node is said by all.
    collectives.run_on_every_rank(lambda: places.append(_on_this_node(stage_to)))
    return ShardReader(reader.index, staging_folder(reader.index, places[0]), data.shards)


def _on_this_node(folder: Path) -> Path:
    """A job's own folder has a name that only the job knows, such as $TMPDIR."""
    return expanded_path(folder, "data.stage_to")


def stains_of_shards(reader: ShardReader) -> SeenStains:
    """The stains of a sample of the tiles of a data set, always of the same ones."""
    originals = ShardReader(reader.index, reader.folders[-1])
    codes, groups = [], []
    count = min(MOST_SEEN, len(reader.index))
    for row in sorted(distinct_integers(key_of(0, "stains"), count, len(reader.index))):
        with suppress(DatasetError):  # told, or skipped, when it is trained on
            tile_HWC, _ = originals.read(*reader.index.place(row))
            codes.append(stain_code(as_floats(tile_HWC))[0].double().numpy())
            groups.append(reader.index.entry(*reader.index.place(row)).group)
    return SeenStains(codes_MS=np.stack(codes), groups=tuple(groups)) if codes else SeenStains()


def objects_of_shards(reader: ShardReader) -> Sizes:
    """The sizes of objects in a sample of the label maps of a data set, always of the same ones.

    They are read where the data set lies: copies on the node's disk may not have been checked yet.
    """
    originals = ShardReader(reader.index, reader.folders[-1])

    def label_maps() -> Iterable[np.ndarray]:
        rows = distinct_integers(key_of(0, "object sizes"), SAMPLE, len(reader.index))
        for row in rows:
            with suppress(DatasetError):  # told, or skipped, when it is trained on
                yield originals.read(*reader.index.place(row))[1]

    return measure_objects(label_maps(), reader.index.schema)
