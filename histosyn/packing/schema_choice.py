"""Choosing the schema before packing, from the label maps; are they instance maps?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histosyn.doctor.interpretation import interpret
from histosyn.doctor.pair_summary import LabelSummary, summarize_label
from histosyn.doctor.proposal import Proposal, propose_for_objects, proposed
from histosyn.labels.instances import Numbering, class_for_objects
from histosyn.labels.label_map import LabelSchema
from histosyn.labels.unlabelled import ignoring
from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import pairs_of
from histosyn.packing.plan import make_plan
from histosyn.sources.pairs import Pair
from hpc.errors import LabelError
from hpc.log import warnings_left_out
from hpc.parallel import map_in_order

Track = Callable[[Iterator[LabelSummary], int], Iterable[LabelSummary]]

# Where the schema is known, so many label maps, spread over all, tell whether they number objects:
# few, so that packing does not read the set twice.
_SAMPLED = 32


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The schema to pack by; `proposal` is where it came from, unless it was named.

    `assumed` are sentences on what else nobody said.
    """

    schema: LabelSchema
    proposal: Proposal | None = None
    assumed: tuple[str, ...] = ()


def settle_schema(
    tiles: Path,
    labels: Path,
    config: PackConfig,
    named: LabelSchema | None,
    *,
    objects_none: bool = False,
    processes: int | None = None,
    track: Track = lambda summaries, total: summaries,
) -> Settled:
    """The schema that two folders are packed by: `named`, or proposed from the label maps.

    Raises LabelError where nothing should be taken for granted: label maps that seem to number
    objects, unless `objects_none` says that they don't or the configuration of which class they
    are, and a proposal with doubts. Else as `make_plan`.
    """
    with warnings_left_out():
        plan = make_plan(tiles, labels, config)
    settled = _settle(pairs_of(plan.jobs), labels, config, named, objects_none, processes, track)
    return replace(settled, assumed=plan.assumed)


def _settle(
    pairs: Sequence[Pair],
    labels: Path,
    config: PackConfig,
    named: LabelSchema | None,
    objects_none: bool,
    processes: int | None,
    track: Track,
) -> Settled:
    if named is not None and config.unlabelled is not None:
        named = ignoring(named, config.unlabelled)
    if config.objects_are is not None:
        proposal = None if named is not None else propose_for_objects(config.objects_are)
        schema = named or propose_for_objects(config.objects_are).schema
        class_for_objects(config.objects_are, schema)
        return Settled(schema=schema, proposal=proposal)
    if named is not None and objects_none:
        return Settled(schema=named)
    chosen = pairs if named is None else _spread(pairs)
    summaries = list(track(map_in_order(_look, chosen, processes), len(chosen)))
    proposal = None
    if named is None:
        values = [item.pixel_values for item in summaries if item.pixel_values is not None]
        proposal = proposed(values, config.unlabelled)
    settled = _settled(
        named, proposal, [summary.flaw.message for summary in summaries if summary.flaw], labels
    )
    if not objects_none:
        _refuse_objects(chosen, summaries, settled, labels)
    if settled.proposal is not None and settled.proposal.doubts:
        raise LabelError(
            f"No schema was named (--schema), and one proposed from {labels} leaves doubts: "
            f"{' '.join(settled.proposal.doubts)} Have `histosyn doctor` propose one, look at it, "
            "and pass its file with --schema."
        )
    return settled


def _look(pair: Pair) -> LabelSummary:
    return summarize_label(pair, name=str(pair.label))


def _spread(pairs: Sequence[Pair]) -> list[Pair]:
    return list(pairs[:: -(-len(pairs) // _SAMPLED)])


def _settled(
    named: LabelSchema | None, proposal: Proposal | None, flaws: Sequence[str], labels: Path
) -> Settled:
    if named is not None:
        return Settled(schema=named)
    if flaws:
        raise LabelError(flaws[0])
    if proposal is None:
        raise LabelError(f"{labels} holds no label map to propose a schema from. Name one.")
    return Settled(schema=proposal.schema, proposal=proposal)


def _refuse_objects(
    pairs: Sequence[Pair], summaries: Sequence[LabelSummary], settled: Settled, labels: Path
) -> None:
    numbering = Numbering()
    for pair, summary in zip(pairs, summaries, strict=True):
        if summary.pixel_values is None or summary.areas is None:
            continue
        by_color = interpret(summary.pixel_values, settled.schema).by_color
        if by_color is False or (by_color is None and settled.proposal is not None):
            numbering.count(pair.label.name, summary.areas)
    if numbering.numbers_objects:
        raise LabelError(
            f"{labels}: the label maps number objects (instances), it seems, instead of naming "
            f"classes: {numbering.reason}. Name the class that all objects are, --objects-are "
            "CLASS, and 0 becomes the first class; if these are classes all the same: "
            "--objects-are none."
        )
