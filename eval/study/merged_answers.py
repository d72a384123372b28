"""All returned files together: one answer for each item, and who has not finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.study.returned_file import Answer, Labels, Returned, read_returned
from eval.study.sealed_key import Block, Key
from histosyn.images.folder import search_folder
from hpc.errors import DatasetError, InputError
from hpc.files import require_there

_TABLES = frozenset({".csv", ".tsv", ".txt"})
# Opened so that the message says what they are.
_WORKBOOKS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a reader's block is: `complete` of `asked` items without practice."""

    reader: str
    block: str
    asked: int
    complete: int
    begun: int
    median_seconds: float | None
    unanswered: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether every item has every answer."""
        return self.complete == self.asked

    @property
    def state(self) -> str:
        """In words."""
        if self.finished:
            return "finished"
        return "not finished" if self.begun else "nothing returned"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """`answers` by (reader, block, item). `faults`: what could not be used; `notes`: what else."""

    answers: Mapping[tuple[str, str, str], Answer]
    standings: tuple[Standing, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...]


def merge_returns(places: Sequence[Path], key: Key, labels: Labels) -> Merged:
    """Read and merge files, and all tables in folders; each fault is one sentence.

    Of one session the later answer counts. Raises InputError if there is no file, or none of use.
    """
    paths = [path for place in places for path in _files(place)]
    if not paths:
        raise InputError(
            f"There is no file of answers (CSV) in {', '.join(map(str, places))}. Put there what "
            "readers have exported."
        )
    returned: list[Returned] = []
    faults: list[str] = []
    for path in paths:
        try:
            returned.append(read_returned(path, key, labels))
        except DatasetError as error:
            faults.append(str(error))
    if not returned:
        raise InputError(" ".join(faults))
    faults += [fault for one in returned for fault in one.faults]
    answers, conflicts, notes = _merged(answer for one in returned for answer in one.answers)
    return Merged(
        answers=answers,
        standings=tuple(_standing(block, answers, labels) for block in key.blocks),
        faults=(*faults, *conflicts),
        notes=tuple(notes),
        files=tuple(one.path for one in returned),
    )


def _files(place: Path) -> list[Path]:
    if require_there(place, "answers").is_file():
        return [place]
    return list(search_folder(place, _TABLES | _WORKBOOKS).images)


def _merged(
    answers: Iterable[Answer],
) -> tuple[dict[tuple[str, str, str], Answer], list[str], list[str]]:
    """One answer for each item, conflicts of two sittings, and what was resolved."""
    by_item: defaultdict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        by_item[answer.reader, answer.block, answer.item].append(answer)
    kept: dict[tuple[str, str, str], Answer] = {}
    changed: defaultdict[str, int] = defaultdict(int)
    conflicts: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
    for place, several in by_item.items():
        latest = max(several, key=lambda one: one.change)
        differing = [one for one in several if one.codes != latest.codes]
        others = [one for one in differing if one.session != latest.session]
        if others:
            conflicts[place[:2]] += [latest, others[0]]
            continue
        changed[place[0]] += bool(differing)
        kept[place] = latest
    notes = [
        f"Reader {reader} changed {count} answers between two exports: the later ones count."
        for reader, count in changed.items()
        if count
    ]
    return kept, [_conflict(place, both) for place, both in conflicts.items()], notes


def _conflict(place: tuple[str, str], both: Sequence[Answer]) -> str:
    files = sorted({str(one.path) for one in both})
    return (
        f"Reader {place[0]} answered the {place[1]} block in two sittings that contradict each "
        f"other in {len(both) // 2} items ({' and '.join(files)}). Those items are left out: ask "
        "which file counts, and take the other away."
    )


def _standing(
    block: Block, answers: Mapping[tuple[str, str, str], Answer], labels: Labels
) -> Standing:
    asked = [item.name for item in block.items if not item.practice]
    found = {name: answers.get((block.reader, block.block, name)) for name in asked}
    complete = [
        name for name, one in found.items() if one is not None and one.codes.keys() >= labels.keys()
    ]
    times = sorted(one.milliseconds / 1000 for one in found.values() if one is not None)
    return Standing(
        reader=block.reader,
        block=block.block,
        asked=len(asked),
        complete=len(complete),
        begun=len(times),
        median_seconds=times[len(times) // 2] if times else None,
        unanswered=tuple(name for name in asked if name not in complete),
    )
