"""Packing: two folders in, WebDataset shards and `dataset.json` out, all of it or nothing."""

from __future__ import annotations

import logging
from functools import partial

from histosyn.doctor.proposal import Proposal
from histosyn.images.folder import unread_text
from histosyn.labels.label_map import LabelSchema
from histosyn.packing.config import PackConfig
from histosyn.packing.journal import locked_work_folder
from histosyn.packing.pieces import Pieces, write_pieces
from histosyn.packing.plan import make_plan
from histosyn.packing.samples import cut_pair
from histosyn.packing.writing import (
    SCHEMA_NAME,
    Task,
    Track,
    disk_errors,
    made_by,
    write_data_set,
)
from histosyn.shards.index import DatasetIndex
from histosyn.shards.index_file import load_index
from hpc.files import refuse_address
from hpc.job_array import Part
from hpc.paths import AnyPath, as_path

__all__ = ["SCHEMA_NAME", "PackConfig", "pack", "pack_part"]

logger = logging.getLogger("histosyn")


def pack(
    tiles: AnyPath,
    labels: AnyPath,
    out: AnyPath,
    schema: LabelSchema,
    config: PackConfig,
    processes: int | None = None,
    track: Track = lambda pairs, total: pairs,
    proposal: Proposal | None = None,
) -> dict[str, DatasetIndex]:
    """Write `out/train` (and `out/val`, `out/test`) from pairs of tiles and label maps.

    `processes` are by default as many as there are cores. `track` is handed what the pairs gave,
    and their number, to show progress. A `proposal` is where the schema came from if nobody named
    it; if nobody made it before, `out/schema.toml` has it. Returns the index of each part. Raises
    DatasetError or LabelError for the first file that does not fit, HistosynError if nothing can be
    written; `out` does not exist then, and what is finished waits beside it for the next attempt.
    """
    out = as_path(out, "OUT")
    refuse_address(out, "OUT")
    with locked_work_folder(out) as work:
        task = _task(tiles, labels, schema, config, proposal)
        write_data_set(work, task, processes, track)
    return {part: load_index(out / part) for part in task.plan.parts}


def pack_part(
    tiles: AnyPath,
    labels: AnyPath,
    out: AnyPath,
    schema: LabelSchema,
    config: PackConfig,
    part: Part,
    processes: int | None = None,
    track: Track = lambda pairs, total: pairs,
    proposal: Proposal | None = None,
) -> Pieces:
    """Make one part of what `pack`, called with the same, then has only to write.

    Other processes, on other machines too, may make other parts at the same time. Raises as `pack`.
    """
    out = as_path(out, "OUT")
    refuse_address(out, "OUT")
    with locked_work_folder(out, part) as work, disk_errors(work):
        task = _task(tiles, labels, schema, config, proposal)
        return write_pieces(work.pieces, task.plan, task.settings, task.cut, part, processes, track)


def _task(
    tiles: AnyPath,
    labels: AnyPath,
    schema: LabelSchema,
    config: PackConfig,
    proposal: Proposal | None,
) -> Task:
    tiles = as_path(tiles, "folder of tiles")
    labels = as_path(labels, "folder of label maps")
    plan = make_plan(tiles, labels, config)
    if plan.unread:
        logger.warning("%s", unread_text(plan.unread))
    return Task(
        plan=plan,
        cut=partial(cut_pair, schema=schema, config=config),
        schema=schema,
        config=config,
        made_by=made_by(config, proposal),
        nothing="has enough tissue. Lower --min-tissue.",
        proposal=proposal,
    )
