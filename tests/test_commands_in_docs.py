"""Every command line in README and docs names commands and options that there are.

All are run (`tests/test_tutorial.py`, `tests/test_commands_run.py`), or a mark says why not.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_blocks import PAGES, blocks, words_of

from launch.cli import build_app

CALL = re.compile(r"^ *(?:\w+=\S* |torchrun .*? |.*&& )?histosyn (?P<words>.*)")
EVERYWHERE = {"--debug", "--help", "--help-all", "--version"}


def calls(page: Path) -> list[list[str]]:
    """The words after `histosyn` of each line of a block."""
    lines = (line for block in blocks(page) for line in block.lines)
    return [words_of(match["words"]) for match in map(CALL.search, lines) if match]


def wrong(words: list[str]) -> list[str]:
    """What of a call there is not."""
    names, given = told(words)
    if words[:1] == ["submit"]:
        # It takes the options of the command that it submits.
        names |= told(words[1:])[0]
    return sorted(given - names)


def told(words: list[str]) -> tuple[set[str], set[str]]:
    """The options that a command has, and those that it is given; a command that is none, too."""
    app = build_app(words)
    named, apps, rest = app.parse_commands(words)
    if not named and words and words[0].isidentifier():
        return EVERYWHERE, {words[0]}
    with app.app_stack(apps):
        items = apps[-1].assemble_argument_collection() if apps[-1].default_command else ()
        names = {name for item in items for name in item.names} | EVERYWHERE
    return names, {re.split("[= ]", word)[0] for word in rest if re.match(r"--[a-z]", word)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    mistakes = {" ".join(words): found for words in calls(page) if (found := wrong(words))}
    assert not mistakes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_no_command_of_ours_is_marked_as_not_run(page: Path) -> None:
    found = blocks(page)
    silent = [line for block in found for line in filter(block.is_run, block.lines)
              if not line.startswith("histosyn ")]  # fmt: skip
    assert not silent, "mark them: <!-- not run: why -->"
    assert all(len(why) > 8 for block in found for why in block.not_run.values())
    # A mark that is about nothing is a slip of the pen.
    for block in found:
        for command in block.not_run:
            words = (line.removeprefix("histosyn ") for line in block.lines)
            assert any(line.startswith(command) for line in words), command


def test_the_pages_are_read_and_mistakes_seen() -> None:
    assert sum(len(calls(page)) for page in PAGES) > 80
    assert wrong(["train", "--run.stepz", "3"]) == ["--run.stepz"]
    assert wrong(["eval", "fid", "a", "b", "--json", "x"]) == []
    assert wrong(["generate", "a"]) == ["generate"]
