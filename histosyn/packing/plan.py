"""The plan of packing, made before it starts: every pair with its part, group and resolution."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from histosyn.packing.config import PackConfig
from histosyn.packing.samples import Job
from histosyn.packing.split import split_groups
from histosyn.sources.pairs import LONGEST_KEY_BYTES, Pair, Pairing, may_name_a_sample, pair_folders
from histosyn.sources.tile_facts import PARTS, TEST, VAL, TileFacts, match_facts, read_tile_facts
from hpc.errors import ConfigError, DatasetError

logger = logging.getLogger("histosyn")

DIGEST_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Jobs in the order in which they are packed, part after part; `mpp` is that of the tiles."""

    jobs: tuple[Job, ...]
    mpp: float | None
    unread: tuple[Path, ...] = ()
    """Files that look like images and are none that can be read."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there will be, in their order."""
        return tuple(dict.fromkeys(job.part for job in self.jobs))

    def digests(self) -> bytes:
        """For each job `DIGEST_BYTES` that change with its files' names, sizes or times."""
        return b"".join(_digest(job) for job in self.jobs)


def make_plan(tiles: Path, labels: Path, config: PackConfig) -> Plan:
    """Pair two folders and decide where each pair goes.

    Raises InputError, DatasetError or ConfigError for what does not fit together.
    """
    pairing = pair_folders(tiles, labels, config.naming)
    pairs = _complete(pairing)
    facts_of = _facts_of(pairs, config)
    part_of = _parts(facts_of, config)
    jobs = [
        Job(
            pair=pair,
            part=part_of[pair.key],
            group=facts_of[pair.key].group,
            mpp=facts_of[pair.key].mpp or config.source_mpp,
        )
        for pair in pairs
    ]
    _check_names(jobs)
    return Plan(
        jobs=tuple(sorted(jobs, key=lambda job: PARTS.index(job.part))),
        mpp=_resolution(jobs, config),
        unread=pairing.unread,
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


def _facts_of(pairs: Sequence[Pair], config: PackConfig) -> dict[str, TileFacts]:
    """What is known of each pair, by key. Without a CSV each is a group of its own."""
    if config.groups is None:
        return {pair.key: TileFacts(group=pair.key) for pair in pairs}
    facts = read_tile_facts(config.groups, config.group_column, config.naming.tile.words)
    facts_of = match_facts([pair.key for pair in pairs], facts, config.groups)
    for pair in pairs:
        if pair.key not in facts_of:
            name = pair.key + pair.tile.suffix
            raise DatasetError(f"{config.groups} says nothing of {name}. Add a line.")
    return facts_of


def _parts(facts_of: Mapping[str, TileFacts], config: PackConfig) -> dict[str, str]:
    """The part of each pair: as the CSV says, else by shares of the tiles in whole groups."""
    said = {key: facts.part for key, facts in facts_of.items() if facts.part is not None}
    if not said:
        samples_of = Counter(facts.group for facts in facts_of.values())
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


def _resolution(jobs: Iterable[Job], config: PackConfig) -> float | None:
    """The microns per pixel of all that is packed."""
    first_of: dict[float | None, Job] = {}
    for job in jobs:
        first_of.setdefault(job.mpp, job)
    if config.mpp is not None:
        if None in first_of:
            raise DatasetError(
                f"{config.groups} does not say at which mpp {first_of[None].pair.key} is, which "
                "--mpp needs. Fill it in, or pass --source-mpp for such tiles."
            )
        return config.mpp
    if len(first_of) > 1:
        (one, first), (other, second), *_ = first_of.items()
        raise DatasetError(
            f"Microns per pixel differ: {first.pair.key} has {one or 'none'}, {second.pair.key} "
            f"{other or 'none'}. Bring all to one with --mpp."
        )
    return next(iter(first_of))


def _check_names(jobs: Iterable[Job]) -> None:
    seen: dict[str, Job] = {}
    for job in jobs:
        if not may_name_a_sample(job.key):
            raise DatasetError(
                f"{job.pair.key!r} cannot name a sample: it has a backslash, a character that "
                f"cannot be printed or is no UTF-8, or more than {LONGEST_KEY_BYTES} bytes. Rename "
                "the files."
            )
        if job.key in seen:
            raise DatasetError(
                f"{seen[job.key].pair.key} and {job.pair.key}: both give the sample name "
                f"{job.key!r} (points and slashes are replaced). Rename one."
            )
        seen[job.key] = job


def _digest(job: Job) -> bytes:
    files = [
        (path.name, status.st_size, status.st_mtime_ns)
        for path in (job.pair.tile, job.pair.label)
        for status in (path.stat(),)
    ]
    facts = (job.pair.key, job.part, job.group, job.mpp)
    return blake2b(repr((facts, files)).encode(), digest_size=DIGEST_BYTES).digest()
