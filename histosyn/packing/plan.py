"""The plan of packing, made before it starts: every pair with its part, group and resolution."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import AnyJob, Job, sample_key
from histosyn.packing.split import split_groups
from histosyn.sources.known_by_names import Known, known_by_names
from histosyn.sources.pairs import LONGEST_KEY_BYTES, Pair, Pairing, may_name_a_sample, pair_folders
from histosyn.sources.tile_facts import PARTS, TEST, VAL, TileFacts, match_facts, read_tile_facts
from hpc.errors import ConfigError, DatasetError

logger = logging.getLogger("histosyn")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Jobs in the order in which they are packed, part after part; `mpp` is that of the tiles."""

    jobs: tuple[AnyJob, ...]
    mpp: float | None
    unread: tuple[Path, ...] = ()
    """Files that look like images and are none that can be read."""
    assumed: tuple[str, ...] = ()
    """Sentences on what nobody said and names or files told."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there will be, in their order."""
        return tuple(dict.fromkeys(job.part for job in self.jobs))

    def digests(self) -> bytes:
        """The digests of all jobs."""
        return b"".join(job.digest for job in self.jobs)


def make_plan(tiles: Path, labels: Path, config: PackConfig) -> Plan:
    """Pair two folders and decide where each pair goes.

    Raises InputError, DatasetError or ConfigError for what does not fit together.
    """
    _require_tile_settings(config)
    pairing = pair_folders(tiles, labels, config.naming)
    pairs = _complete(pairing)
    known = _known_of(pairs, config)
    facts_of = known.facts
    part_of = parts_of(facts_of, config)
    jobs = [
        Job(
            pair=pair,
            part=part_of[pair.key],
            group=facts_of[pair.key].group,
            mpp=facts_of[pair.key].mpp,
        )
        for pair in pairs
    ]
    check_names(pair.key for pair in pairs)
    return Plan(
        jobs=tuple(sorted(jobs, key=lambda job: PARTS.index(job.part))),
        mpp=common_mpp(jobs, config),
        unread=pairing.unread,
        assumed=(*filter(None, [pairing.assumed]), *known.assumed),
    )


def _require_tile_settings(config: PackConfig) -> None:
    if config.unannotated is not None or config.overlaps != "later":
        raise ConfigError(
            "--unannotated and --overlaps are for slides and their annotations (.geojson), which "
            "these folders do not hold. Leave them out, or check the paths."
        )


def _complete(pairing: Pairing) -> tuple[Pair, ...]:
    for lonely, partner in (
        (pairing.tiles_without_label, "label map"),
        (pairing.labels_without_tile, "tile"),
    ):
        if lonely:
            raise DatasetError(
                f"{lonely[0]} has no {partner} of the same name"
                + (f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else "")
                + ". Add what is missing or remove the file; `histosyn doctor` lists them all."
            )
    if pairing.others:
        logger.info(
            "%d files with neither suffix are not looked at, the first is %s",
            len(pairing.others),
            pairing.others[0],
        )
    return pairing.pairs


def _known_of(pairs: Sequence[Pair], config: PackConfig) -> Known:
    """What is known of each pair: from the CSV, and from the names that QuPath gave."""
    keys = [pair.key for pair in pairs]
    tile_of = {pair.key: pair.tile for pair in pairs}
    if config.groups is None:
        return known_by_names(tile_of, config.base_mpp, config.source_mpp)
    facts = read_tile_facts(config.groups, config.group_column, config.naming.tile.words)
    facts_of = match_facts(keys, facts, config.groups)
    for pair in pairs:
        if pair.key not in facts_of:
            name = pair.key + pair.tile.suffix
            raise DatasetError(f"{config.groups} says nothing of {name}. Add a line.")
    silent = {key: tile for key, tile in tile_of.items() if facts_of[key].mpp is None}
    named = known_by_names(silent, config.base_mpp, config.source_mpp) if silent else Known()
    mpp_of = {key: named.facts[key].mpp for key in silent}
    return Known(
        facts={key: replace(facts_of[key], mpp=facts_of[key].mpp or mpp_of.get(key))
               for key in keys},
        # Whose they are is not assumed then.
        assumed=tuple(text for text in named.assumed if text != named.on_groups),
    )  # fmt: skip


def parts_of(
    facts_of: Mapping[str, TileFacts],
    config: PackConfig,
    weight_of: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """The part of each source: as the CSV says, else by shares of the tiles in whole groups.

    `weight_of` says how many tiles a source gives, by default one.
    """
    said = {key: facts.part for key, facts in facts_of.items() if facts.part is not None}
    if not said:
        samples_of: Counter[str] = Counter()
        for key, facts in facts_of.items():
            samples_of[facts.group] += 1 if weight_of is None else weight_of[key]
        part_of = split_groups(samples_of, {VAL: config.val, TEST: config.test}, config.seed)
        return {key: part_of[facts.group] for key, facts in facts_of.items()}
    if config.val or config.test:
        raise ConfigError(
            f"{config.groups} says in its column split where each tile goes. Leave out --val and "
            "--test, or remove the column."
        )
    part_of = {}
    for key, facts in facts_of.items():
        if part_of.setdefault(facts.group, said[key]) != said[key]:
            raise DatasetError(
                f"{config.groups} puts {facts.group} into {part_of[facts.group]} and, with {key}, "
                f"into {said[key]}. A group must not be split: correct the file."
            )
    return said


def common_mpp(jobs: Iterable[AnyJob], config: PackConfig) -> float | None:
    """The microns per pixel of all that is packed."""
    first_of: dict[float | None, AnyJob] = {}
    for job in jobs:
        first_of.setdefault(job.mpp, job)
    if config.mpp is not None:
        if None in first_of:
            silent = f"{config.groups} does not say" if config.groups else "It is not known"
            raise DatasetError(
                f"{silent} at which mpp {first_of[None].source} is, which --mpp needs. Fill in a "
                "column mpp in the CSV of --groups, or pass --source-mpp; for tiles that QuPath "
                "exported, --base-mpp."
            )
        return config.mpp
    if len(first_of) > 1:
        (one, first), (other, second), *_ = first_of.items()
        raise DatasetError(
            f"Microns per pixel differ: {first.source} has {one or 'none'}, {second.source} "
            f"{other or 'none'}. Bring all to one with --mpp."
        )
    return next(iter(first_of))


def check_names(sources: Iterable[str]) -> None:
    """Raise DatasetError for a name that no shard can hold, or two that become the same there."""
    seen: dict[str, str] = {}
    for source in sources:
        key = sample_key(source)
        if not may_name_a_sample(key):
            raise DatasetError(
                f"{source!r} cannot name a sample: it has a backslash, a character that "
                f"cannot be printed or is no UTF-8, or more than {LONGEST_KEY_BYTES} bytes. Rename "
                "the files."
            )
        if key in seen:
            raise DatasetError(
                f"{seen[key]} and {source}: both give the sample name "
                f"{key!r} (points and slashes are replaced). Rename one."
            )
        seen[key] = source
