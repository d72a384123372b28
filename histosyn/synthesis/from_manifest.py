"""Reproducing the tiles of a manifest: same label maps, same model, same noise, same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from histosyn.manifests.manifest import read_manifest_file
from histosyn.synthesis.provenance import RECORDS, Painted, Record, Rerolled
from histosyn.synthesis.rerolls import Rerolls, read_areas
from hpc.errors import InputError
from hpc.files import require_file, sha256_of_bytes, sha256_of_file


def repeated_records(
    manifest: Path, labels: Path, model_sha256: str, *, edited: bool = False
) -> dict[str, Record]:
    """How each tile of a manifest was made, by its file.

    Raises InputError for a damaged manifest, one of another model, or if the label maps are not
    those that the tiles were made of. If these were `edited`, those of them that are there are made
    with the noise of the tiles.
    """
    records = {
        name: RECORDS.checked(entry, f"{manifest}, {name!r},")
        for name, entry in read_manifest_file(require_file(manifest, "manifest")).items()
    }
    strangers = [name for name, record in records.items() if record.model_sha256 != model_sha256]
    if strangers:
        raise InputError(
            f"{manifest}: {strangers[0]} ({len(strangers)} such tiles) was made with another "
            f"model, sha256 {records[strangers[0]].model_sha256[:12]}. Give that model."
        )
    if edited:
        return _edited(records, labels)
    altered = [name for name, record in records.items() if not _same_label(record, labels)]
    if altered:
        raise InputError(
            f"{labels / records[altered[0]].label} ({len(altered)} such label maps) is not the "
            f"one that {altered[0]} was made of. Give the folder of label maps that the manifest "
            "belongs to."
        )
    return records


def _edited(records: dict[str, Record], labels: Path) -> dict[str, Record]:
    found = {
        name: replace(record, label_sha256=sha256_of_file(labels / record.label))
        for name, record in records.items()
        if (labels / record.label).is_file()
    }
    if not found:
        raise InputError(f"{labels} holds none of the label maps that the manifest tells of.")
    return found


def rerolls_of(painted: Painted | Rerolled, manifest: Path, size: tuple[int, ...]) -> Rerolls:
    """Where the noise of a painted tile is another; InputError if that file is not as it was."""
    if painted.areas is None:
        return Rerolls(areas_HW=np.zeros(size, np.uint8), seeds=painted.seeds)
    path = require_file(manifest.parent / painted.areas, "map of re-rolled areas")
    data = path.read_bytes()
    if sha256_of_bytes(data) != painted.areas_sha256:
        raise InputError(f"{path} was altered since the tile was made. Restore it.")
    return Rerolls(areas_HW=read_areas(data, str(path)), seeds=painted.seeds)


def _same_label(record: Record, labels: Path) -> bool:
    path = labels / record.label
    return path.is_file() and sha256_of_file(path) == record.label_sha256
