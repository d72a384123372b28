"""The report as one HTML file: pictures inside, nothing to fetch, nothing to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from eval.report.document import Document
from eval.report.gallery import Gallery
from eval.report.numbers import digits, interval
from eval.report.one_claim import Claim
from eval.report.tables import Table, tables_of

_VERDICTS = {
    "shown": ("holds", "✓"),
    "within": ("within the floor", "≤"),
    "against": ("does not hold", "✗"),
    "not shown": ("not decided", "○"),
    "described": ("no claim", "·"),
}
_EXPLAINED = (
    "A claim holds if its test is met, with a margin that was set beforehand where there is one. A "
    "distance within the floor is no larger than what real tiles have among themselves, which is "
    "less than a test. A claim does not hold if interval or distance lie beyond. Everything else "
    "is not decided: an interval that includes the reference shows nothing by itself."
)


def page_of(document: Document) -> str:
    """The whole page."""
    sections = [
        ("claims", "What was claimed, and what was found", _claims(document)),
        ("gallery", "Tissue, unpicked", _gallery(document)),
        ("next", "What to do next", _next(document)),
        ("plots", "Plots", _figures(document)),
        ("limits", "Limits", _list(document.limits)),
        (
            "methods",
            "Methods, ready to paste",
            f"<p class='methods'>{escape(document.methods)}</p>",
        ),
        ("provenance", "Provenance", _provenance(document)),
        ("floors", "Floors", _floors(document)),
        ("items", "What reporting guidelines ask for", _items(document)),
        ("numbers", "All numbers", "".join(map(_table, _all_tables(document)))),
    ]
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
        f"<title>{escape(document.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(document.title)}</h1>{_summary(document)}</header>\n"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n<main>{body}</main>\n'
        f"<footer><p>{_FOOT}</p></footer>\n</body>\n</html>\n"
    )


_BESIDE = ("spectrum", "weave")
_FOOT = "Made by histosyn report. Synthetic images show no patient and are not for diagnosis."


def _summary(document: Document) -> str:
    found = document.verdicts
    told = [f"{_counted(found[name], 'claim')} {words}" for name, words in
            (("shown", "held"), ("within", "within the floor"), ("against", "did not hold"),
             ("not shown", "not decided"))
            if found[name]]  # fmt: skip
    kinds = dict.fromkeys(one.kind for one in document.findings)
    text = (
        f"Made of {_counted(len(document.findings), 'result')} ({', '.join(kinds)})."
        if kinds
        else "Nothing was measured yet: this is what the run tells of itself."
    )
    verdicts = f" {'; '.join(told)}." if told else ""
    notices = ""
    if document.notices:
        title = "<h2>Before you read on</h2>"
        notices = f'<div class="notice" role="note">{title}{_list(document.notices)}</div>'
    note = f"<p class='note'>{escape(document.note)}</p>" if document.note else ""
    return f"{note}<p class='summary'>{escape(text + verdicts)}</p>{notices}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _claims(document: Document) -> str:
    if not document.claims:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in
                   ("Claim", "Found", "Interval", "n", "Held against", "Verdict"))  # fmt: skip
    rows = "".join(map(_claim, document.claims))
    return (
        f"<p>{escape(_EXPLAINED)}</p><div class='wide'><table class='claims'><thead><tr>{head}</tr>"
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


def _gallery(document: Document) -> str:
    gallery, parts = document.gallery, []
    if gallery is not None:
        shown = "".join(
            f"<figure class='pair'><div>{_label(one.label, one.name)}"
            f'<img src="{one.tile}" alt="Synthetic tile {escape(one.name)}"></div>'
            f"<figcaption>{escape(one.name)}</figcaption></figure>"
            for one in gallery.pictures
        )
        parts.append(
            f"<p>{len(gallery.pictures)} of {gallery.total} synthetic tiles in "
            f"{escape(gallery.folder)}, drawn by seed {gallery.seed}, none picked. The label map, "
            f"where it is known, is on the left.</p>{_legend(gallery)}"
            f"<div class='gallery'>{shown}</div>"
        )
    parts += [
        f'<figure class="sheet"><img src="{one.address}" alt="{escape(one.alt)}">'
        f"<figcaption>{escape(one.title)}</figcaption></figure>"
        for one in document.sheets
    ]
    return "".join(parts)


def _next(document: Document) -> str:
    """Line by line as it was written: it may hold commands."""
    text = document.next_steps
    return f"<pre>{escape(text.strip())}</pre>" if text else ""


def _legend(gallery: Gallery) -> str:
    """What the colours of label maps mean."""
    items = "".join(
        f'<li><span style="background:{escape(color)}"></span>{escape(name)}</li>'
        for name, color in gallery.legend
    )
    return f'<ul class="legend" aria-label="Colours of label maps">{items}</ul>' if items else ""


def _label(address: str | None, name: str) -> str:
    return "" if address is None else f'<img src="{address}" alt="Label map of {escape(name)}">'


def _figures(document: Document) -> str:
    return "".join(
        f'<figure class="plot"><h3>{escape(one.title)}</h3><img src="{one.svg}" '
        f'alt="{escape(one.alt)}"><figcaption>{escape(one.caption)}</figcaption></figure>'
        for one in document.figures
    )


def _provenance(document: Document) -> str:
    return "".join(
        f"<h3>{escape(part)}</h3><dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
        + "</dl>"
        for part, rows in document.provenance.items()
    )


def _floors(document: Document) -> str:
    rows = tuple(
        (one["of"], digits(one["value"]), interval(one["range"]) if one["range"] else "",
         str(one["n"]), one["source"])
        for one in document.floors if not one["of"].startswith(_BESIDE)
    )  # fmt: skip
    if not rows:
        return ""
    note = "<p>Those of the spectrum and of the weave stand beside their numbers, below.</p>"
    beside = any(one["of"].startswith(_BESIDE) for one in document.floors)
    caption = "What real tiles have among themselves, patients apart where they are known"
    return (note if beside else "") + _table(
        Table(caption=caption, head=("of", "median", "of all splits", "n", "from"), rows=rows,
              numeric=(1, 2, 3))
    )  # fmt: skip


def _items(document: Document) -> str:
    missing = sum(one["answered_by"] is None for one in document.items)
    rows = tuple((one["asks"], one["answer"], one["guideline"]) for one in document.items)
    note = (
        f"<p>{len(rows) - missing} of {len(rows)} items are answered; {missing} are not stated, "
        "because no run knows them: --facts takes them from a file.</p>"
    )
    table = Table(caption="Items, paraphrased", numeric=(), rows=rows,
                  head=("Item", "Answer", "Asked by"))  # fmt: skip
    return f"{note}<div class='items'>{_table(table)}</div>"


def _all_tables(document: Document) -> Iterable[Table]:
    return (table for one in document.findings for table in tables_of(one))


def _table(table: Table) -> str:
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


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""
