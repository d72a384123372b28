"""Printing to the terminal or a job log: the console of all commands, and its streams.

Everything that is printed goes through here or through `hpc.log`; see `hpc.terminal_text` for what
becomes of characters that a terminal cannot show or would obey.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpc.terminal_text import ERRORS, readable

# Off a terminal rich assumes 80 columns. No row is as wide as this, so none is wrapped or cut.
_WIDTH_OFF_A_TERMINAL = 100_000


def console(*, stderr: bool = False) -> Console:
    """A console that prints paths and names as they are; style comes from `rich.text.Text`.

    Brackets and colons are no markup or emoji. Lines are left to the terminal to wrap; tables fit a
    terminal, and are as wide as their content off it.
    """
    made = _Screen(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = _WIDTH_OFF_A_TERMINAL
    return made


def say(text: str = "", *, end: str = "\n", stderr: bool = False) -> None:
    """Print a text as it is, at once: a configuration, a job file, a line on the way."""
    stream = sys.stderr if stderr else sys.stdout
    try:
        print(readable(text), end=end, file=stream, flush=True)
    except BrokenPipeError:
        if not stderr:
            raise
        _abandon(stream)


def open_streams() -> None:
    """Before anything else: make the standard streams ones that take whatever is printed.

    One that was closed (`2>&-`) would be the next file that is opened: what libraries then write
    to it would end up in that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def speak_utf8() -> None:
    """Start again with names of files read as UTF-8, should the locale read them otherwise.

    Noise is keyed by names: the same file must have the same one under `LC_ALL=C`. What is printed
    stays in the encoding of the locale.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    if sys.stdout is not None:
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def reader_left() -> bool:
    """Whether nobody reads our standard output any more: it was a pipe, as in `... | head`."""
    if not hasattr(select, "poll"):
        return False  # Windows cannot tell
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def output_is_lost() -> bool:
    """Whether our standard output takes no more, such as a file on a full disk: one line is tried.

    Errors of streams name no file.
    """
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def end_streams() -> None:
    """Write out what was printed; raises OSError if that is not possible.

    Whatever happens, Python has nothing left to write at its own end, where it can't be told.
    """
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except (OSError, ValueError):
            left = stream is sys.stdout and reader_left()
            _abandon(stream)
            if stream is sys.stdout and not left:
                raise


def abandon_output() -> None:
    """Nobody reads it: what is still to be printed goes nowhere."""
    _abandon(sys.stdout)


def _abandon(stream: Any) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Screen(Console):
    """rich's console for text that comes from anywhere."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print text, lines and tables."""
        super().print(*map(self._fit, objects), **options)

    def on_broken_pipe(self) -> None:
        """Work goes on when nobody reads its messages; a command ends when nobody reads its output.

        Called while BrokenPipeError is handled.
        """
        self.quiet = True
        if not self.stderr:
            raise
        _abandon(sys.stderr)

    def _fit(self, shown: Any) -> Any:
        """The same, readable. Spelled before it is laid out, so that columns stay in line."""
        if isinstance(shown, str):
            return readable(shown, self.encoding)
        if isinstance(shown, Text):
            return self._fit_text(shown)
        if isinstance(shown, Table):
            shown.title, shown.caption = self._fit(shown.title), self._fit(shown.caption)
            for column in shown.columns:
                column.header, column.footer = self._fit(column.header), self._fit(column.footer)
                column._cells = [self._fit(cell) for cell in column._cells]
        return shown

    def _fit_text(self, text: Text) -> Text:
        if readable(text.plain, self.encoding) == text.plain:
            return text
        parts = [
            (readable(part.text, self.encoding), part.style or "") for part in text.render(self)
        ]
        fitted = text.blank_copy()
        for part, style in parts:
            fitted.append(part, style)
        return fitted
