"""The report as one HTML file: pictures inside, nothing to fetch, nothing to run."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from eval.report.document import Document
from eval.report.gallery import Gallery
from eval.report.markup import (
    bullets,
    claims_table,
    definitions,
    notice,
    plots,
    table_markup,
    whole_page,
)
from eval.report.numbers import digits, interval
from eval.report.tables import Table, tables_of

_BESIDE = ("spectrum", "weave")
_FOOT = "Made by histosyn report. Synthetic images show no patient and are not for diagnosis."
_EXPLAINED = (
    "A claim holds if its test is met, with a margin that was set beforehand where there is one. A "
    "distance within the floor is no larger than what real tiles have among themselves, which is "
    "less than a test. A claim does not hold if interval or distance lie beyond. Everything else "
    "is not decided: an interval that includes the reference shows nothing by itself."
)


def page_of(document: Document) -> str:
    """The whole page."""
    methods = f"<p class='methods'>{escape(document.methods)}</p>"
    return whole_page(
        document.title,
        _summary(document),
        [
            ("claims", "What was claimed, and what was found", _claims(document)),
            ("gallery", "Tissue, unpicked", _gallery(document)),
            ("next", "What to do next", _next(document)),
            ("plots", "Plots", plots(document.figures)),
            ("limits", "Limits", bullets(document.limits)),
            ("methods", "Methods, ready to paste", methods),
            ("provenance", "Provenance", definitions(document.provenance)),
            ("floors", "Floors", _floors(document)),
            ("items", "What reporting guidelines ask for", _items(document)),
            ("numbers", "All numbers", "".join(map(table_markup, _all_tables(document)))),
        ],
        _FOOT,
    )


def _claims(document: Document) -> str:
    if not document.claims:
        return ""
    return f"<p>{escape(_EXPLAINED)}</p>{claims_table(document.claims)}"


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
    note = f"<p class='note'>{escape(document.note)}</p>" if document.note else ""
    return f"{note}<p class='summary'>{escape(text + verdicts)}</p>{notice(document.notices)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


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
    return (note if beside else "") + table_markup(
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
    return f"{note}<div class='items'>{table_markup(table)}</div>"


def _all_tables(document: Document) -> Iterable[Table]:
    return (table for one in document.findings for table in tables_of(one))
