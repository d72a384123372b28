"""All that a report is made of, read once: results, run, shards, manifests of synthetic tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.report.results_files import Findings, read_results
from eval.report.run_facts import RunFacts, find_run
from eval.report.soundness import sound
from histosyn.manifests.manifest import MANIFEST, Entries, read_manifest
from histosyn.shards.dataset import index_folder
from hpc.errors import HistosynError, InputError
from hpc.files import require_folder
from hpc.json_toml import content_of, plain_json

_DEEPEST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Tissue:
    """A folder of synthetic tiles with its manifest."""

    folder: Path
    entries: Entries


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """What was found. `data` is what `dataset.json` of the training shards says, {} without.

    `notices` are what a reader must know before the numbers: results that do not belong together,
    files that could not be read.
    """

    folder: Path
    findings: Findings
    run: RunFacts | None
    data: dict[str, Any]
    tissue: tuple[Tissue, ...]
    notices: tuple[str, ...] = field(default=())


def read_sources(folder: Path) -> Sources:
    """Read a run folder, or a folder with results. Raises InputError if there is nothing in it."""
    require_folder(folder, "run or folder of results")
    findings, run = sound(read_results(folder)), find_run(folder)
    tissue, problems = _tissue(folder)
    if run is None and not findings.found:
        told = f" {findings.left_out[0]}" if findings.left_out else ""
        raise InputError(
            f"{folder} holds neither a run nor a result of `histosyn eval ... --json FILE`.{told} "
            "Write results into one folder, then make its report."
        )
    notices = [*problems, *findings.left_out, *(() if run is None else run.problems)]
    return Sources(
        folder=folder,
        findings=findings,
        run=run,
        data=_data(run, notices),
        tissue=tuple(tissue),
        notices=(*notices, *_mixed(findings, run)),
    )


def _tissue(folder: Path) -> tuple[list[Tissue], list[str]]:
    found, problems = [], []
    for path in sorted(folder.rglob(MANIFEST)):
        if len(path.relative_to(folder).parts) > _DEEPEST:
            continue
        try:
            found.append(Tissue(folder=path.parent, entries=read_manifest(path.parent)))
        except (HistosynError, OSError) as error:
            problems.append(str(error))
    return found, problems


def _data(run: RunFacts | None, notices: list[str]) -> dict[str, Any]:
    shards = None if run is None else run.section("data").get("shards")
    if not isinstance(shards, str) or not Path(shards).is_dir():
        return {}
    folder = index_folder(Path(shards))
    if folder is None:
        return {}
    try:
        found = plain_json(content_of(folder / "dataset.json"))
    except (ValueError, OSError) as error:
        notices.append(f"{folder / 'dataset.json'} cannot be read ({error}).")
        return {}
    return found if isinstance(found, dict) else {}


def _mixed(findings: Findings, run: RunFacts | None) -> list[str]:
    """Whether results are of other tiles, or of tiles of another model."""
    notices = []
    measured: dict[str, list[str]] = {}
    models: dict[str, list[str]] = {}
    for one in findings.found:
        content = content_of_side(one.inputs.get("synthetic"))
        if content is None:
            continue
        measured.setdefault(str(content.get("sha256")), []).append(one.file)
        found = content.get("model_sha256")
        for model in found if isinstance(found, list) else ():
            models.setdefault(str(model), []).append(one.file)
    if len(measured) > 1:
        told = "; ".join(
            f"{', '.join(files)} ({digest[:8]}…)" for digest, files in measured.items()
        )
        notices.append(f"These results measured different synthetic tiles: {told}.")
    own = None if run is None else run.model_sha256
    others = {model: files for model, files in models.items() if own and model != own}
    if others or len(models) > 1:
        told = "; ".join(f"{', '.join(files)} ({model[:8]}…)" for model, files in models.items())
        of = f", the run's is {own[:8]}…" if own else ""
        notices.append(f"These results are of tiles of different models{of}: {told}.")
    return notices


def content_of_side(side: Any) -> dict[str, Any] | None:
    """The digest of a side, which is of the tiles alone or of tiles and label maps."""
    content = side.get("content") if isinstance(side, dict) else None
    if isinstance(content, dict) and isinstance(content.get("tiles"), dict):
        content = content["tiles"]
    return content if isinstance(content, dict) and content.get("sha256") else None
