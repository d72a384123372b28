"""Checks of a command's input paths before torch is imported: a wrong path is an error at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from histosyn.labels.label_map import load_schema
from histosyn.models.path import model_kind, segmenter_folder
from histosyn.shards.dataset import require_shards
from hpc.error_file import leave_for_torchrun
from hpc.errors import HistosynError
from hpc.files import require_file, require_folder, require_there
from hpc.topology import is_first_process


@contextmanager
def reported_once() -> Iterator[None]:
    """Of the processes of torchrun, one says what is wrong."""
    try:
        yield
    except HistosynError as error:
        if not is_first_process():
            leave_for_torchrun(str(error))
            sys.exit(error.exit_code)
        raise


def check_inputs(
    *,
    model: Path | None = None,
    segmenter: Path | None = None,
    shards: Mapping[str, Path | None] | None = None,
    schema: str | None = None,
    folders: Mapping[str, Path | None] | None = None,
    files: Mapping[str, Path | None] | None = None,
    paths: Mapping[str, Path | None] | None = None,
) -> None:
    """InputError for the first of these that is not there, or is something else.

    Folders, files, and paths that may be either, by what they are called; None is not looked for.
    """
    with reported_once():
        if model is not None:
            model_kind(model)
        if segmenter is not None:
            segmenter_folder(segmenter)
        for kinds, look in ((shards, require_shards), (folders, require_folder),
                            (files, require_file), (paths, require_there)):  # fmt: skip
            for what, path in (kinds or {}).items():
                if path is not None:
                    look(path, what)
        if schema is not None:
            load_schema(schema)
