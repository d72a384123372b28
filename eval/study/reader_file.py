"""The one file that a reader gets: a web page with pictures, styles and program inside."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from eval.study.candidates import Candidate
from eval.study.design import CHOICE, GRADE, SECOND, Design
from eval.study.pictures import Picture, media_type
from eval.study.presentation import Item
from hpc.randomness import key_of, permutation

SCRIPTS = ("answers.js", "viewer.js", "main.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_INSTRUCTIONS = {
    "grade": "You will see images of tissue, one after the other. Give each the grade that you "
    "would give it at work.",
    "discriminate": "You will see images of tissue, one after the other. Some were taken by a "
    "microscope, others were made by a computer. Say for each which it is, and how sure you are.",
    "both": "You will see images of tissue, one after the other. Give each the grade that you "
    "would give it at work. Then say whether it was taken by a microscope or made by a computer, "
    "and how sure you are.",
    "pairs": "You will see images of tissue in pairs. Of each pair one was taken by a microscope "
    "and one made by a computer. Say which was made by a computer, and how sure you are.",
}
_SECOND_PART = (
    "This is the second part. Look at the feedback page that came with it before you begin.\n\n"
)


def reader_page(
    design: Design,
    *,
    study: str,
    reader: str,
    block: str,
    items: Sequence[Item],
    picture_of: Mapping[Candidate, Picture],
) -> bytes:
    """The page, UTF-8. It fetches nothing, and its own policy forbids it to."""
    tiles = list(dict.fromkeys(tile for item in items for tile in item.tiles))
    # In an order of their own, so that no place in the file says when, or whether twice.
    order = permutation(key_of(design.seed, "study pictures", reader, block), len(tiles))
    number_of = {tiles[row]: number for number, row in enumerate(order)}
    pictures = "\n".join(
        _picture(number, picture_of[tiles[row]]) for number, row in enumerate(order)
    )
    script = _program()
    style = _text("study.css")
    content = {
        "study": study,
        "reader": reader,
        "block": block,
        "instructions": (_SECOND_PART if block == SECOND else "")
        + (design.instructions or _INSTRUCTIONS[design.task]),
        "media_type": media_type(design.quality),
        "noun": "pair" if design.task == "pairs" else "image",
        "sides": ["Left", "Right"] if design.task == "pairs" else [],
        "questions": questions(design),
        "items": [
            {
                "id": item.name,
                "practice": item.practice,
                "pictures": [number_of[tile] for tile in item.tiles],
            }
            for item in items
        ],
    }
    filled = {
        "title": html.escape(design.title),
        "policy": _policy(script, style),
        "style": style,
        "study": json.dumps(content).replace("<", "\\u003c"),
        "pictures": pictures,
        "script": script,
    }
    return _PLACE.sub(lambda found: filled[found[1]], _text("study.html")).encode()


def feedback_page(design: Design, pictures: Sequence[Picture]) -> bytes:
    """The page, UTF-8, that shows pictures with their arms, in an order by the seed."""
    order = permutation(key_of(design.seed, "study feedback"), len(pictures))
    style = _text("study.css")
    filled = {
        "title": html.escape(design.title),
        "policy": _policy(None, style),
        "style": style,
        "pictures": "\n".join(_figure(pictures[row], design) for row in order),
    }
    return _PLACE.sub(lambda found: filled[found[1]], _text("feedback.html")).encode()


def _figure(picture: Picture, design: Design) -> str:
    address = f"data:{media_type(design.quality)};base64,{base64.b64encode(picture.data).decode()}"
    arm = picture.tile.arm.capitalize()
    return (
        f'<figure><img src="{address}" alt="{arm} tissue"><figcaption>{arm}</figcaption></figure>'
    )


def questions(design: Design) -> list[dict[str, Any]]:
    """What is asked of each item; codes are letters, which no spreadsheet changes."""
    found: list[dict[str, Any]] = []
    if design.asks_grade:
        found.append(_question(GRADE, "Which grade?", "g", design.categories, None))
    if design.asks_choice:
        text = "Which one was made by a computer?" if design.task == "pairs" else (
            "Real or synthetic?"
        )  # fmt: skip
        found.append(_question(CHOICE, text, "c", design.choices(), design.levels))
    return found


def code_of(letter: str, number: int) -> str:
    """The code of an answer: ga, gb, ... for grades, ca, cb, ... for choices."""
    high, low = divmod(number, 26)
    return letter + (chr(96 + high) if high else "") + chr(97 + low)


def _question(
    name: str, text: str, letter: str, labels: Sequence[str], middle: int | None
) -> dict[str, Any]:
    options = [
        {"code": code_of(letter, number), "label": label} for number, label in enumerate(labels)
    ]
    return {"name": name, "text": text, "options": options, "middle": middle}


def _picture(number: int, picture: Picture) -> str:
    text = base64.b64encode(picture.data).decode()
    return f'<script type="text/plain" id="p{number}">{text}</script>'


def _program() -> str:
    body = "\n".join(_text(name) for name in SCRIPTS)
    return f'\n"use strict";\n(() => {{\n{body}\n}})();\n'


def _policy(script: str | None, style: str) -> str:
    """Nothing may be loaded, and no other program may run."""
    allowed = {
        "default-src": "'none'",
        "img-src": "data:",
        "script-src": "'none'" if script is None else _digest(script),
        "style-src": _digest(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return (files("eval.study") / "page" / name).read_text(encoding="utf-8")
