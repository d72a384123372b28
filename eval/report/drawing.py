"""Plots as SVG in a data address, by matplotlib if it is installed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

# Told apart also by who sees no difference of red and green, and in print (Okabe & Ito).
REAL, SYNTHETIC, OTHER, FLOOR = "#222222", "#0072b2", "#d55e00", "#d9d9d9"
ARMS = {"real": REAL, "synthetic": SYNTHETIC, "held_out": REAL}
_WIDTH = 7.0
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "path",
    # The same plot has the same bytes.
    "svg.hashsalt": "histosyn",
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot: `alt` says in words what it shows, for who does not see it."""

    title: str
    caption: str
    alt: str
    svg: str


def can_draw() -> bool:
    """Whether matplotlib is installed: the extra `report`."""
    return find_spec("matplotlib") is not None


def drawn(
    draw: Callable[[Any], None], *, title: str, caption: str, alt: str, height: float = 2.8
) -> Figure:
    """`draw` gets matplotlib's figure; `height` in inches, of a width of seven."""
    with _plain_style() as plot:
        figure = plot.figure(figsize=(_WIDTH, height))
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        plot.close(figure)
    address = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure(title=title, caption=caption, alt=alt, svg=address)


@contextmanager
def _plain_style() -> Iterator[Any]:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(_STYLE):
        yield plt


def error_bar(
    axes: Any,
    place: float,
    value: float,
    ends: tuple[float, float] | None,
    colour: str,
    *,
    marker: str = "o",
    horizontal: bool = True,
    label: str | None = None,
) -> None:
    """A point and its interval, lying or upright."""
    x, y = (value, place) if horizontal else (place, value)
    axes.plot([x], [y], marker, color=colour, markersize=5, label=label, zorder=3)
    if ends is not None:
        line = (list(ends), [place, place]) if horizontal else ([place, place], list(ends))
        axes.plot(*line, color=colour, linewidth=1.5, zorder=2)
