"""Blocks of commands in README and docs, and the marks of what of them is not run.

`<!-- not run: why -->` before a block is of all its lines, `<!-- not run (paint): why -->` of those
that call `histosyn paint`; there may be several.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# Of shells, or of none that is named.
SHELL = ("", "bash", "sh")
_BLOCK = re.compile(
    r"(?P<marks>(?:^ *<!-- not run[^\n]*-->\n)*)^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- not run(?: \((?P<command>[\w -]+)\))?: (?P<why>.+) -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block's lines without comments, those that go on joined; why which commands are not run.

    "" in `not_run` is all of them.
    """

    lines: tuple[str, ...]
    not_run: dict[str, str]

    def is_run(self, line: str) -> bool:
        """Whether no mark is about a line."""
        words = line.removeprefix("histosyn ")
        return not any(words.startswith(command) for command in self.not_run)


def blocks(page: Path) -> list[Block]:
    """The blocks of commands of a page, from top to bottom."""
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [_block(match["text"], match["marks"]) for match in found if match["kind"] in SHELL]


def _block(text: str, marks: str) -> Block:
    lines = (
        re.sub(r"(^|\s)#.*", "", line).strip() for line in text.replace("\\\n", " ").split("\n")
    )
    not_run = {mark["command"] or "": mark["why"] for mark in _MARK.finditer(marks)}
    return Block(lines=tuple(filter(None, lines)), not_run=not_run)


def words_of(line: str) -> list[str]:
    """A line as the shell splits it."""
    return shlex.split(line)
