"""Every command line in README and docs names commands and options that there are.

Those of the tutorial are run (`tests/test_tutorial.py`); the others need data of the reader's own.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from launch.cli import build_app

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# Of shells, or of none that is named.
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "sh")
CALL = re.compile(r"^ *(?:\w+=\S* |torchrun .*? |.*&& )?histosyn (?P<words>.*)")
EVERYWHERE = {"--debug", "--help", "--help-all", "--version"}


def calls(page: Path) -> list[list[str]]:
    """The words after `histosyn` of each line of a block, without comments."""
    found = []
    for kind, block in BLOCK.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines() if kind in SHELL else ():
            match = CALL.search(re.sub(r"(^|\s)#.*", "", line).rstrip())
            if match:
                found.append(split(match["words"]))
    return found


def split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError:
        return words.split()


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


def test_the_pages_are_read_and_mistakes_seen() -> None:
    assert sum(len(calls(page)) for page in PAGES) > 80
    assert wrong(["train", "--run.stepz", "3"]) == ["--run.stepz"]
    assert wrong(["eval", "fid", "a", "b", "--json", "x"]) == []
    assert wrong(["generate", "a"]) == ["generate"]
