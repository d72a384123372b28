"""Reading a study back: answers and key in, tables of ratings and the state of affairs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from eval.study.design import FIRST, MOST_LEVELS, Design
from eval.study.merged_answers import Merged, Standing, merge_returns
from eval.study.ratings_files import write_ratings
from eval.study.reader_file import questions
from eval.study.returned_file import Labels
from eval.study.sealed_key import PROTOCOL_NAME, PROTOCOLS, Key, open_key, protocol_sha256
from hpc.errors import DamagedFileError, InputError
from hpc.files import make_folder, write_json
from hpc.records import FileName, Records, Text

RECORD_NAME = "study.json"


@dataclass(frozen=True, kw_only=True)
class PlannedDesign:
    """What an analysis needs of a design."""

    task: Text
    margin: Annotated[float, Meta(gt=0, lt=2)]
    primary: Text
    levels: Annotated[int, Meta(ge=1, le=MOST_LEVELS)]
    statistic: Text = ""
    categories: tuple[Text, ...] = ()

    @property
    def scale(self) -> tuple[str, ...]:
        """The answers to real or synthetic, as they are numbered in ratings."""
        return tuple(str(number + 1) for number in range(2 * self.levels))


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """What an analysis needs of a protocol."""

    design: PlannedDesign
    planned_readers: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What `study.json` beside the ratings says: the protocol, and where the study left it."""

    study: Text
    protocol_sha256: Text
    protocol: PlannedStudy
    deviations: tuple[Text, ...]
    tables: tuple[FileName, ...] = ()


RECORDS = Records(
    kind=StudyRecord, remedy="Run `histosyn study read` again.", error=DamagedFileError
)


@dataclass(frozen=True, kw_only=True)
class ReadStudy:
    """What was read, and the tables that were written into `out`."""

    study: str
    out: Path
    tables: tuple[str, ...]
    merged: Merged
    deviations: tuple[str, ...]


def record_beside(ratings: Path) -> StudyRecord | None:
    """The record of the study that a table of ratings is of; None if there is none."""
    path = ratings.parent / RECORD_NAME
    return RECORDS.read(path) if path.is_file() else None


def read_study(returns: Sequence[Path], key_file: Path, out: Path) -> ReadStudy:
    """Merge answers into tables in `out`, which an earlier reading of the study may have written.

    Raises InputError if nothing can be read, or `out` holds something else.
    """
    key = open_key(key_file)
    _require_own(out, key)
    labels = labels_of(key)
    merged = merge_returns(returns, key, labels)
    make_folder(out)
    before = RECORDS.read(out / RECORD_NAME).tables if (out / RECORD_NAME).is_file() else ()
    tables = write_ratings(out, key, merged, labels)
    for name in set(before) - set(tables):
        # Of answers that have been taken away since.
        (out / name).unlink(missing_ok=True)
    deviations = [*_deviations(key, merged), *_of_protocol(key, key_file.parent / PROTOCOL_NAME)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        out / RECORD_NAME,
        {
            "kind": "histosyn study",
            "study": key.study,
            "read": now,
            "protocol_sha256": key.protocol_sha256,
            "protocol": key.protocol,
            "standings": [asdict(one) | {"state": one.state} for one in merged.standings],
            "problems": list(merged.faults),
            "deviations": deviations,
            "tables": tables,
        },
    )
    return ReadStudy(study=key.study, out=out, tables=tuple(tables), merged=merged,
                     deviations=tuple(deviations))  # fmt: skip


def labels_of(key: Key) -> Labels:
    """Question -> code of an answer -> its label, of this study."""
    design = Design.from_plain(key.design)
    return {
        one["name"]: {option["code"]: option["label"] for option in one["options"]}
        for one in questions(design)
    }


def _require_own(out: Path, key: Key) -> None:
    record = out / RECORD_NAME
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not record.is_file()):
        raise InputError(f"--out: {out} holds something else. Choose a folder of its own.")
    if record.is_file() and (found := RECORDS.read(record).study) != key.study:
        raise InputError(
            f"--out: {out} has the ratings of another study ({found}). Choose another folder."
        )


def _deviations(key: Key, merged: Merged) -> list[str]:
    """Where the naive block, which the protocol speaks of, is not as planned."""
    blocks = [one for one in merged.standings if one.block == FIRST]
    absent = [one.reader for one in blocks if not one.begun]
    partial = [one for one in blocks if one.begun and not one.finished]
    found = []
    if absent:
        found.append(
            f"{len(blocks) - len(absent)} of {len(blocks)} planned readers; without "
            f"{', '.join(absent)}"
        )
    found += [f"{_text(one)} of the naive block" for one in partial]
    if merged.faults:
        found.append(f"problems with returned files or rows: {len(merged.faults)}")
    return found


def _text(one: Standing) -> str:
    return f"{one.reader} answered {one.complete} of {one.asked} items"


def _of_protocol(key: Key, path: Path) -> list[str]:
    """Whether the protocol beside the key is still the one that the study was made with."""
    if not path.is_file():
        return [f"{path.name} is not beside the key"]
    try:
        same = protocol_sha256(PROTOCOLS.read(path).protocol) == key.protocol_sha256
    except DamagedFileError:
        same = False
    return [] if same else [f"{path.name} was changed after the study was made"]
