"""What pages of results are made of: the frame, and tables, plots and lists as HTML.

One file, pictures inside, nothing to fetch, nothing to run. What people wrote is text here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

from eval.report.drawing import Figure
from eval.report.numbers import interval
from eval.report.one_claim import Claim
from eval.report.tables import Table

# Name, title and HTML of a section.
Section = tuple[str, str, str]

_VERDICTS = {
    "shown": ("holds", "✓"),
    "within": ("within the floor", "≤"),
    "against": ("does not hold", "✗"),
    "not shown": ("not decided", "○"),
    "described": ("no claim", "·"),
}
_CLAIM_HEAD = ("Claim", "Found", "Interval", "n", "Held against", "Verdict")


def whole_page(title: str, summary: str, sections: Iterable[Section], foot: str) -> str:
    """A page with a table of contents; `summary` is HTML, and empty sections are left out."""
    kept = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in kept)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}'
        f"</h2>{content}</section>"
        for name, title, content in kept
    )
    style = files("eval.report").joinpath("page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>{summary}</header>\n"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n<main>{body}</main>\n'
        f"<footer><p>{escape(foot)}</p></footer>\n</body>\n</html>\n"
    )


def notice(texts: Sequence[str]) -> str:
    """What a reader must know before anything else; empty without any."""
    if not texts:
        return ""
    title = "<h2>Before you read on</h2>"
    return f'<div class="notice" role="note">{title}{bullets(texts)}</div>'


def claims_table(claims: Sequence[Claim]) -> str:
    """What was claimed and found, with verdicts that do not rest on colour alone."""
    head = "".join(f'<th scope="col">{name}</th>' for name in _CLAIM_HEAD)
    rows = "".join(map(_claim, claims))
    return (
        f"<div class='wide'><table class='claims'><thead><tr>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _claim(claim: Claim) -> str:
    words, sign = _VERDICTS[claim.verdict]
    ends = interval(claim.interval)
    level = (
        f"<br><small>{claim.interval_level:.0%}</small>" if claim.interval_level and ends else ""
    )
    kind = claim.verdict.replace(" ", "-")
    return (
        f'<tr><th scope="row">{escape(claim.claim)}</th>'
        f'<td data-label="Found">{escape(claim.found)}</td>'
        f'<td data-label="Interval" class="number">{escape(ends) or "–"}{level}</td>'
        f'<td data-label="n" class="number">{claim.n}</td>'
        f'<td data-label="Held against">{escape(claim.reference) or "–"}</td>'
        f'<td class="{kind}"><span aria-hidden="true">{sign}</span> {words}<br>'
        f"<small>{escape(claim.source)}</small></td></tr>"
    )


def plots(figures: Iterable[Figure]) -> str:
    """Plots with their titles, and captions below."""
    return "".join(
        f'<figure class="plot"><h3>{escape(one.title)}</h3><img src="{one.svg}" '
        f'alt="{escape(one.alt)}"><figcaption>{escape(one.caption)}</figcaption></figure>'
        for one in figures
    )


def definitions(parts: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Names and texts, by part."""
    return "".join(
        f"<h3>{escape(part)}</h3><dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
        + "</dl>"
        for part, rows in parts.items()
    )


def table_markup(table: Table) -> str:
    """A table whose first column names its rows."""

    def cell(column: int, text: str) -> str:
        kind = ' class="number"' if column in table.numeric else ""
        if column == 0:
            return f'<th scope="row">{escape(text)}</th>'
        missing = ' class="missing"' if text == "not stated" else kind
        return f"<td{missing}>{escape(text)}</td>"

    head = "".join(
        f'<th scope="col"{" class=number" if column in table.numeric else ""}>{escape(name)}</th>'
        for column, name in enumerate(table.head)
    )
    rows = "".join(
        f"<tr>{''.join(cell(column, text) for column, text in enumerate(row))}</tr>"
        for row in table.rows
    )
    return (
        f"<div class='wide'><table><caption>{escape(table.caption)}</caption><thead><tr>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def bullets(texts: Sequence[str]) -> str:
    """A list; empty without any."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""
