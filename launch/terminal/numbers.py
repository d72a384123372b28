"""Tables of numbers and their intervals on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table


def plain_table(title: str) -> Table:
    """A table without a frame, for narrow terminals."""
    return Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def value_text(value: float | None) -> str:
    """Three digits, or "none"."""
    return "none" if value is None else f"{value:z.3f}"


def interval_text(interval: tuple[float, float] | None) -> str:
    """Low to high, two digits: there is no third that means anything."""
    return "" if interval is None else f"{interval[0]:z.2f} to {interval[1]:z.2f}"
