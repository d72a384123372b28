"""What parts gave, as files: one for each, and all of them as JSON and as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu_parts.bench import Part, Row
from gpu_parts.worker import Done
from hpc.files import write_json, write_text
from hpc.json_toml import content_of, plain_json

_DIGITS = 4


class Results:
    """Of one machine at one scale, in a folder; what others left there is measured again."""

    def __init__(self, folder: Path, made_on: Mapping[str, Any]) -> None:
        self._folder = folder
        self._made_on = dict(made_on)

    def has(self, part: Part) -> bool:
        """Whether it was done, to its end."""
        found = self._read(part)
        return found is not None and found["error"] is None

    def keep(self, part: Part, done: Done) -> None:
        write_json(self._path(part), {
            "part": part.name, "title": part.title, "made_on": self._made_on,
            "seconds": round(done.seconds, 1), "error": done.error,
            "rows": [_plain(row) for row in done.rows],
        })  # fmt: skip

    def write(self, parts: Iterable[Part], command: str) -> tuple[Path, Path]:
        """gpu.json and gpu.md, of what there is."""
        found = [record for part in parts if (record := self._read(part)) is not None]
        json, markdown = self._folder / "gpu.json", self._folder / "gpu.md"
        write_json(json, {"command": command, "made_on": self._made_on, "parts": found})
        write_text(markdown, _page(found, self._made_on, command))
        return json, markdown

    def _path(self, part: Part) -> Path:
        return self._folder / "parts" / f"{part.name}.json"

    def _read(self, part: Part) -> dict[str, Any] | None:
        try:
            found = plain_json(content_of(self._path(part)))
        except (OSError, ValueError):
            return None
        return found if found.get("made_on") == self._made_on else None


def table_of(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table, with a column for each name that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row.get(name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _page(records: list[dict[str, Any]], made_on: Mapping[str, Any], command: str) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in made_on.items())
    parts = [f"# GPU measurements\n\n`{command}`: {facts}."]
    for record in records:
        text = f"## {record['title']}\n\nPart `{record['part']}`, {record['seconds']} s."
        if record["error"]:
            text += f"\n\nIt did not come to its end:\n\n```\n{record['error'].strip()}\n```"
        if record["rows"]:
            text += f"\n\n{table_of(record['rows'])}"
        parts.append(text)
    return "\n\n".join(parts) + "\n"


def _plain(row: Row) -> Row:
    """JSON has no word for what is not finite."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()}  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
