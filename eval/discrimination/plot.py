"""Readers in one picture, as SVG: values with their intervals, and ROC curves."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from eval.discrimination.reader_numbers import MEAN
from eval.statistics.result import Number, Result
from hpc.files import write_text

_LEFT, _WIDTH, _ROW, _TOP, _SQUARE, _GAP = 220, 380, 22, 56, 320, 60
# Told apart also by who sees no difference of red and green (Okabe & Ito).
_READER, _MEAN, _MACHINE, _ZONE = "#0072b2", "#000000", "#d55e00", "#e6e6e6"
_SHOWN = {"auc": "AUC", "pairs": "share of right pairs"}
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_plot(result: Result, path: Path) -> None:
    """Write the picture: a block below the other. Numbers without a value are left out."""
    parts: list[str] = []
    top = 0
    blocks = dict.fromkeys((one.details["block"], one.name) for one in result.numbers)
    for block, name in blocks:
        if name not in _SHOWN:
            continue
        rows = [one for one in result.numbers
                if one.name == name and one.details["block"] == block
                and one.value is not None]  # fmt: skip
        curves = next((one for one in result.tables["roc"] if one["block"] == block), None)
        curves = curves if name == "auc" else None
        height = _TOP + max(len(rows) * _ROW, _SQUARE if curves else 0) + 60
        parts.append(f'<g transform="translate(0 {top})">')
        parts += _intervals(f"{_SHOWN[name]}, {block} block", rows)
        if curves:
            parts += _roc(curves)
        parts.append("</g>")
        top += height
    width = _LEFT + _WIDTH + _GAP + _SQUARE + 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" '
        f'height="{top}" font-family="sans-serif" font-size="13">'
        f'<rect width="{width}" height="{top}" fill="#ffffff"/>'
    )
    write_text(path, "\n".join([head, *parts, "</svg>", ""]))


def _x(value: float) -> float:
    return _LEFT + min(max(value, 0.0), 1.0) * _WIDTH


def _text(x: float, y: float, text: str, anchor: str = "start", **more: str) -> str:
    options = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{options}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" '
        f'stroke-width="{width:g}"/>'
    )


def _intervals(title: str, rows: list[Number]) -> Iterator[str]:
    bottom = _TOP + len(rows) * _ROW
    yield _text(_LEFT, 24, title, font_weight="bold")
    tests = [one.details["equivalence_test"] for one in rows if one.details.get("equivalence_test")]
    for test in tests[:1]:
        left, right = _x(test["chance"] - test["margin"]), _x(test["chance"] + test["margin"])
        yield (
            f'<rect x="{left:g}" y="{_TOP - 12}" width="{right - left:g}" '
            f'height="{bottom - _TOP + 12}" fill="{_ZONE}"/>'
        )
        yield _text(_LEFT, bottom + 40, f"grey: chance ± {test['margin']:g}, set beforehand",
                    fill="#555555")  # fmt: skip
    for tick in _TICKS:
        yield _line(_x(tick), _TOP - 12, _x(tick), bottom, "#bbbbbb" if tick == 0.5 else "#eeeeee")
        yield _text(_x(tick), bottom + 18, f"{tick:g}", "middle", fill="#555555")
    for number, one in enumerate(rows):
        yield from _row(one, _TOP + number * _ROW)


def _row(one: Number, y: float) -> Iterator[str]:
    reader, value = one.details["reader"], one.value or 0.0
    colour = _MACHINE if one.details["machine"] else _MEAN if reader == MEAN else _READER
    weight = "bold" if reader == MEAN else "normal"
    name = _machine(reader) if one.details["machine"] else reader
    yield _text(_LEFT - 12, y + 4, name, "end", fill=colour, font_weight=weight)
    if one.interval is not None:
        yield _line(_x(one.interval[0]), y, _x(one.interval[1]), y, colour, 2)
    if reader == MEAN:
        x = _x(value)
        yield f'<path d="M{x - 7:g} {y:g} l7 -6 l7 6 l-7 6 z" fill="{colour}"/>'
    else:
        yield f'<circle cx="{_x(value):g}" cy="{y:g}" r="4" fill="{colour}"/>'


def _machine(test: str) -> str:
    """Such as "network, scale 1/2" for "auc_network_scale_2"."""
    kind, _, scale = test.removeprefix("auc_").partition("_scale_")
    return f"{kind}, scale {scale if scale in ('', '1') else f'1/{scale}'}"


def _roc(curves: dict[str, Any]) -> Iterator[str]:
    left, top = _LEFT + _WIDTH + _GAP, _TOP - 12
    yield _text(left, 24, "ROC curves", font_weight="bold")
    yield (
        f'<rect x="{left}" y="{top}" width="{_SQUARE}" height="{_SQUARE}" fill="none" '
        'stroke="#bbbbbb"/>'
    )
    yield _line(left, top + _SQUARE, left + _SQUARE, top, "#bbbbbb")
    for kind, colour in (("machines", _MACHINE), ("curves", _READER)):
        for points in curves[kind].values():
            places = " ".join(
                f"{left + x * _SQUARE:.1f},{top + (1 - y) * _SQUARE:.1f}" for x, y in points
            )
            yield (
                f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5" '
                'stroke-opacity="0.7"/>'
            )
    foot = top + _SQUARE + 20
    yield _text(left + _SQUARE / 2, foot, "real called synthetic", "middle", fill="#555555")
    yield _text(0, 0, "synthetic called synthetic", "middle", fill="#555555",
                transform=f"translate({left - 14} {top + _SQUARE / 2}) rotate(-90)")  # fmt: skip
