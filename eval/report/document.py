"""The report as plain data: what the page shows, and what the JSON holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.report.checklist import ITEMS, answered
from eval.report.claims import Claim, claims_of
from eval.report.drawing import Figure
from eval.report.figures import figures_of
from eval.report.gallery import Gallery, draw_gallery, picture_of_file
from eval.report.methods import limits, paragraph
from eval.report.provenance import floors_of, provenance_of
from eval.report.results_files import Finding
from eval.report.sources import Sources
from eval.statistics.result import versions
from hpc.errors import HistosynError, InputError

SCHEMA_VERSION = 1
# Answers that are no item: below the heading, and what a reader is to do next, line by line.
NOTE, NEXT = "note", "next"


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A picture that lies beside a result, under the same name."""

    title: str
    alt: str
    address: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Document:
    """All parts of a report."""

    title: str
    note: str | None
    next_steps: str | None
    claims: tuple[Claim, ...]
    notices: tuple[str, ...]
    figures: tuple[Figure, ...]
    sheets: tuple[Sheet, ...]
    gallery: Gallery | None
    provenance: dict[str, list[tuple[str, str]]]
    floors: list[dict[str, Any]]
    limits: list[str]
    methods: str
    items: list[dict[str, Any]]
    findings: tuple[Finding, ...]

    @property
    def verdicts(self) -> Counter[str]:
        """How many claims there are of each verdict."""
        return Counter(claim.verdict for claim in self.claims)

    def as_json(self) -> dict[str, Any]:
        """Plain data with a version of its layout; pictures are in the page alone."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "report",
            "title": self.title,
            "note": self.note,
            "next": self.next_steps,
            "claims": [claim.as_dict() for claim in self.claims],
            "notices": list(self.notices),
            "provenance": {part: dict(rows) for part, rows in self.provenance.items()},
            "floors": self.floors,
            "figures": [{"title": one.title, "caption": one.caption, "alt": one.alt}
                        for one in self.figures],
            "gallery": _gallery_facts(self.gallery),
            "limits": self.limits,
            "methods": self.methods,
            "items": self.items,
            "results": [_finding_facts(one) for one in self.findings],
            "versions": versions(),
        }  # fmt: skip


def document_of(
    sources: Sources, *, title: str | None = None, seed: int = 0, stated: Mapping[str, str] = {}
) -> Document:
    """Make the report. Raises InputError for answers to items that there are none of."""
    unknown = sorted(set(stated) - {item.id for item in ITEMS} - {NOTE, NEXT})
    if unknown:
        known = ", ".join([NOTE, NEXT, *(item.id for item in ITEMS)])
        raise InputError(f"There is no item {unknown[0]!r}. Known are: {known}.")
    notices = list(sources.notices)
    gallery = draw_gallery(sources, seed)
    notices += list(gallery.unread) if gallery else []
    sheets = tuple(_sheets(sources, notices))
    figures = tuple(figures_of(sources, notices))
    return Document(
        title=title or _title(sources),
        note=stated.get(NOTE),
        next_steps=stated.get(NEXT),
        claims=tuple(claims_of(sources.findings)),
        notices=tuple(notices),
        figures=figures,
        sheets=sheets,
        gallery=gallery,
        provenance=provenance_of(sources),
        floors=floors_of(sources.findings.found),
        limits=limits(sources),
        methods=paragraph(sources),
        items=answered(sources, stated),
        findings=sources.findings.found,
    )


def _title(sources: Sources) -> str:
    name = sources.folder.resolve().name if sources.run is None else sources.run.name
    return f"Synthetic tissue: report on {name}"


def _sheets(sources: Sources, notices: list[str]) -> Iterator[Sheet]:
    """Pictures beside results, and the last samples of the training."""
    pictures: list[tuple[str, str, Path, bool]] = []
    for one in sources.findings.found:
        path = (sources.folder / one.file).with_suffix(".png")
        if path.is_file():
            alt = f"Picture that was made with {one.file}, of the result {one.kind}."
            tissue = one.kind not in _PLOTS
            pictures.append((_SHEET_TITLES.get(one.kind, one.kind), alt, path, tissue))
    if sources.run is not None and sources.run.samples:
        last = sources.run.samples[-1]
        alt = "Rows of label maps, of the real tiles that belong to them, and of synthetic ones."
        pictures.append((f"Last samples of the training ({last.stem}): label maps, real tiles, "
                         "synthetic tiles", alt, last, True))  # fmt: skip
    for title, alt, path, tissue in pictures:
        try:
            yield Sheet(title=title, alt=alt, address=picture_of_file(path, tissue))
        except (HistosynError, OSError) as error:
            notices.append(str(error))


# Results whose picture shows numbers only.
_PLOTS = frozenset({"utility"})
_SHEET_TITLES = {
    "memorization": "Closest pairs: tiles and the training tiles nearest to them",
    "c2st": "The tiles that the classifiers were surest of",
    "utility": "Learning curve: mean Dice by share of real data",
}


def _gallery_facts(gallery: Gallery | None) -> dict[str, Any] | None:
    if gallery is None:
        return None
    tiles = [{"name": one.name, "sha256": one.sha256} for one in gallery.pictures]
    return {"folder": gallery.folder, "seed": gallery.seed, "total": gallery.total, "tiles": tiles}


def _finding_facts(one: Finding) -> dict[str, Any]:
    return {
        "file": one.file,
        "sha256": one.sha256,
        "kind": one.kind,
        "inputs": one.inputs,
        "settings": one.settings,
        "numbers": [asdict(number) for number in one.numbers],
        "warnings": list(one.warnings),
        "versions": one.versions,
    }
