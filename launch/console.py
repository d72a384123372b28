"""What commands print on stdout: whole lines of plain data, on a terminal and in a job log."""

from __future__ import annotations

from rich.console import Console

# Off a terminal rich assumes 80 columns. No row is as wide as this, so none is wrapped or cut.
_WIDTH_OFF_A_TERMINAL = 100_000


def console() -> Console:
    """A console that prints paths and names as they are; style comes from `rich.text.Text`.

    Brackets and colons are no markup or emoji. Lines are left to the terminal to wrap; tables fit a
    terminal, and are as wide as their content off it.
    """
    made = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = _WIDTH_OFF_A_TERMINAL
    return made
