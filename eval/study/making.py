"""Making a study: from two folders of tiles to one file for each reader, protocol and key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.features.tile_sources import StoredTiles
from eval.study.candidates import ARMS, Candidate, candidates_of
from eval.study.design import FEEDBACK, FIRST, SECOND, Design
from eval.study.drawing import Drawn, drawn_blocks, left_out_classes
from eval.study.pictures import Picture, pictures_of
from eval.study.presentation import Item, items_of, letters_of
from eval.study.protocol import protocol_of
from eval.study.reader_file import feedback_page, reader_page
from eval.study.sealed_key import KEY_NAME, PROTOCOL_NAME, protocol_sha256, sealed
from eval.study.separation import Separation, separation_of
from hpc.errors import InputError
from hpc.files import atomic_folder, write_bytes, write_json
from hpc.json_toml import plain_json
from hpc.progress import ProgressLog

READERS, SECOND_PART, COORDINATOR = "readers", "readers-second-part", "coordinator"
FEEDBACK_NAME = "feedback.html"
_FOLDER_OF = {FIRST: READERS, SECOND: SECOND_PART}


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was written: the files of the readers, below `out`, and what to beware of."""

    study: str
    out: Path
    reader_files: tuple[str, ...]
    separation: Separation
    warnings: tuple[str, ...]


def make_study(
    real: StoredTiles,
    synthetic: StoredTiles,
    out: Path,
    design: Design,
    *,
    facts: Path | None = None,
    even_if_separable: bool = False,
) -> Made:
    """Write the folder `out`, whole or not at all.

    The same tiles, design and seed give the same readers' files. Raises InputError for too few
    tiles, tiles of several sizes, and pictures of which something simple gives the arm away, unless
    that is to be let pass; DatasetError for a tile or a table that cannot be read.
    """
    candidates = candidates_of(real, synthetic, facts)
    each = design.blocks if design.task == "pairs" else {
        block: count // 2 for block, count in design.blocks.items()
    }  # fmt: skip
    drawn = drawn_blocks(candidates, each, design.seed)
    tiles = [tile for of_arm in drawn.values() for arm in ARMS for tile in of_arm[arm]]
    pictures = dict(zip(tiles, pictures_of(tiles, design.size, design.quality), strict=True))
    found = separation_of(list(pictures.values()))
    _require_alike(found, even_if_separable)
    protocol = protocol_of(design, (real, synthetic), drawn, found)
    digest = protocol_sha256(protocol)
    study = letters_of(int(digest[:15], 16))
    with atomic_folder(out) as folder:
        blocks = _write_readers(folder, design, study, drawn, pictures)
        _write_coordinator(folder, design, study, protocol, blocks)
        if design.informed:
            shown = [pictures[tile] for arm in ARMS for tile in drawn[FEEDBACK][arm]]
            write_bytes(folder / COORDINATOR / FEEDBACK_NAME, feedback_page(design, shown))
        names = [
            path.relative_to(folder).as_posix()
            for name in _FOLDER_OF.values()
            for path in sorted((folder / name).glob("*.html"))
        ]
    return Made(
        study=study,
        out=out,
        reader_files=tuple(names),
        separation=found,
        warnings=tuple(_warnings(candidates, found, design)),
    )


def _write_readers(
    folder: Path,
    design: Design,
    study: str,
    drawn: Drawn,
    pictures: Mapping[Candidate, Picture],
) -> list[dict[str, Any]]:
    """Write the readers' files; what the key has of them."""
    blocks = [FIRST, SECOND] if design.informed else [FIRST]
    progress = ProgressLog("reader files", total=len(blocks) * design.readers)
    made = []
    for block in blocks:
        for reader in design.reader_names:
            items = items_of(drawn, block, reader, design, practice=block == FIRST)
            page = reader_page(design, study=study, reader=reader, block=block, items=items,
                               picture_of=pictures)  # fmt: skip
            write_bytes(folder / _FOLDER_OF[block] / f"{reader}.html", page)
            made.append({"reader": reader, "block": block, "items": _keyed(items, pictures)})
            progress.update(len(made))
    return made


def _write_coordinator(
    folder: Path,
    design: Design,
    study: str,
    protocol: dict[str, Any],
    blocks: Sequence[dict[str, Any]],
) -> None:
    place, digest = folder / COORDINATOR, protocol_sha256(protocol)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        place / PROTOCOL_NAME,
        {"kind": "histosyn study protocol", "study": study, "written": now, "sha256": digest,
         "protocol": protocol},
    )  # fmt: skip
    key = {"study": study, "protocol_sha256": digest, "protocol": protocol, "blocks": blocks}
    # As text and back, so that the seal is of what will be read.
    write_json(place / KEY_NAME, sealed(plain_json(json.dumps(key))))


def _keyed(items: Sequence[Item], pictures: Mapping[Candidate, Picture]) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "practice": item.practice,
            "repeat": item.repeat,
            "tiles": [
                {
                    "arm": tile.arm,
                    "name": tile.name,
                    "patient": tile.patient,
                    "tissue": tile.tissue,
                    "sha256": pictures[tile].sha256,
                }
                for tile in item.tiles
            ],
        }
        for item in items
    ]


def _require_alike(found: Separation, let_pass: bool) -> None:
    if found.given_away and not let_pass:
        raise InputError(
            f"Readers could tell the arms apart by {'; '.join(found.given_away)}: no tissue is "
            "needed for that. Prepare both arms alike (same scanner, compression, size), "
            "or give --even-if-separable if it is the tissue itself."
        )


def _warnings(
    candidates: Mapping[str, Sequence[Candidate]], found: Separation, design: Design
) -> list[str]:
    made = list(found.doubts)
    if classes := left_out_classes(candidates):
        made.append(
            f"Classes that only one arm has are not shown: {', '.join(map(repr, classes))}."
        )
    if all(tile.patient is None for tiles in candidates.values() for tile in tiles):
        made.append(
            "The patients of the tiles are not known, so images are not balanced over them and "
            "the analysis takes all images for independent. --facts names them."
        )
    if design.readers < 3:
        made.append(
            f"With {design.readers} reader{'s' if design.readers > 1 else ''} the analysis can say "
            "little of readers in general. Plan for five or more (histosyn study plan)."
        )
    return made
