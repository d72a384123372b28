"""Where everything came from: results, model, data, tiles, code; and the floors beside numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.report.answers import classes, code, data_size, model, preparation, split, training
from eval.report.claims_of_tissue import range_of
from eval.report.numbers import words
from eval.report.results_files import Finding
from eval.report.sources import Sources

_FLOOR = "real_versus_real_floor"
_SIDES = ("real", "synthetic", "training", "held_out")


def provenance_of(sources: Sources) -> dict[str, list[tuple[str, str]]]:
    """Rows of a name and a text, by part."""
    parts: dict[str, list[tuple[str, str | None]]] = {
        "Data": [("training set", data_size(sources)), ("split", split(sources)),
                 ("preparation", preparation(sources)), ("classes", classes(sources)),
                 *_tiles(sources)],
        "Model": [("model", model(sources)), ("training", training(sources)),
                  ("run", None if sources.run is None else sources.run.name)],
        "Code": [("versions and seeds", code(sources))],
        "Results": [(one.file, f"{one.kind}, sha256 {one.sha256}")
                    for one in sources.findings.found],
    }  # fmt: skip
    kept = {part: [(name, text) for name, text in rows if text] for part, rows in parts.items()}
    return {part: rows for part, rows in kept.items() if rows}


def _tiles(sources: Sources) -> list[tuple[str, str]]:
    """Each set of tiles that was measured, once, by the digest of its content."""
    found: dict[str, tuple[str, str]] = {}
    for one in sources.findings.found:
        for role in _SIDES:
            side = one.inputs.get(role)
            if not isinstance(side, dict):
                continue
            for what, content in _contents(side.get("content")):
                digest = str(content.get("sha256"))
                text = f"{side.get('name')}: {side.get('n') or side.get('tiles')} tiles, "
                text += f"sha256 of {content.get('covers')} {digest}"
                title = f"{role.replace('_', '-')} {what}"
                found.setdefault(f"{title} {digest}", (title, text))
    return list(found.values())


def _contents(content: Any) -> list[tuple[str, dict[str, Any]]]:
    """One digest, or several by what they are of."""
    if not isinstance(content, dict):
        return []
    if "sha256" in content:
        return [("tiles", content)]
    return [(what, one) for what, one in content.items() if isinstance(one, dict)]


def floors_of(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What real tiles have among themselves, wherever it was measured."""
    found = []
    for one in findings:
        for number in one.numbers:
            if number.name.endswith(_FLOOR) and number.value is not None:
                of = number.name.removesuffix(_FLOOR).strip("_") or "frechet_distance"
                found.append({"of": words(of), "value": number.value, "range": range_of(number),
                              "n": number.n, "source": one.file})  # fmt: skip
            floor = number.details.get("floor")
            if isinstance(floor, dict) and floor.get("value") is not None:
                found.append({"of": words(number.name), "value": floor["value"],
                              "range": floor.get("range"), "n": number.n,
                              "source": one.file})  # fmt: skip
    return found
