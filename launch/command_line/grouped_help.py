"""Help in groups: what people change comes first; of a training's settings the rest on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from cyclopts.help import HelpEntry, HelpPanel
from cyclopts.help.formatters import DefaultFormatter
from rich.console import Console, ConsoleOptions
from rich.text import Text

from launch.command_line.essentials import BEGINNING, ESSENTIALS, STAGES

ALL = "--help-all"
HELP_FLAGS = ("--help", "-h", ALL)


class GroupedHelp:
    """A formatter of cyclopts' help for one command, "" being histosyn itself."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.command = " ".join(takewhile(lambda token: not token.startswith("-"), tokens))
        self._whole = ALL in tokens
        self._plain = DefaultFormatter()

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """The usage line."""
        self._plain.render_usage(console, options, usage)

    def render_description(self, console: Console, options: ConsoleOptions, text: Any) -> None:
        """What the command does, and before all commands, where to begin."""
        self._plain.render_description(console, options, text)
        if not self.command:
            console.print(_beginning())

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel of commands or parameters as one panel for each group."""
        for title, entries in self._groups(panel):
            self._plain(console, options, panel.copy(title=title, entries=entries))
        if panel.format == "parameter" and self.command in ESSENTIALS and not self._whole:
            left = sum(_section(entry) is not None for entry in _others(panel, self.command))
            if left:
                console.print(f"{left} more settings: histosyn {self.command} {ALL}")

    def _groups(self, panel: HelpPanel) -> Iterator[tuple[Any, list[HelpEntry]]]:
        if panel.format == "command" and not self.command:
            yield from _by_stage(panel)
        elif panel.format == "parameter" and self.command in ESSENTIALS:
            yield from _by_section(panel, self.command, whole=self._whole)
        else:
            yield panel.title, panel.entries


def _by_stage(panel: HelpPanel) -> Iterator[tuple[str, list[HelpEntry]]]:
    left = {entry.names[0]: entry for entry in panel.entries}
    for stage, names in STAGES.items():
        yield stage, [left.pop(name) for name in names if name in left]
    yield "Other", [*left.values()]


def _by_section(
    panel: HelpPanel, command: str, *, whole: bool
) -> Iterator[tuple[str, list[HelpEntry]]]:
    named = {name: entry for entry in panel.entries for name in _names(entry)}
    yield "Essentials", [named[name] for name in ESSENTIALS[command] if name in named]
    sections: dict[str | None, list[HelpEntry]] = {None: []}
    for entry in _others(panel, command):
        sections.setdefault(_section(entry), []).append(entry)
    yield "Options", sections.pop(None)
    for section, entries in sections.items() if whole else ():
        yield str(section).capitalize(), entries


def _others(panel: HelpPanel, command: str) -> list[HelpEntry]:
    first = {*ESSENTIALS[command]}
    return [entry for entry in panel.entries if first.isdisjoint(_names(entry))]


def _names(entry: HelpEntry) -> tuple[str, ...]:
    return (*entry.all_options, *filter(None, [entry.positional_label]))


def _section(entry: HelpEntry) -> str | None:
    """`data` of --data.shards."""
    name, dot, _ = "".join(entry.positive_names[:1]).lstrip("-").partition(".")
    return name if dot else None


def _beginning() -> Text:
    lines = "\n".join(f"  {what:<9}{line}" for what, line in BEGINNING)
    return Text.assemble(("Where to begin\n", "bold"), lines, "\n")
