"""The tables of synonyms lead to what there is."""

from __future__ import annotations

import re
from functools import cache

import pytest

from histosyn.config.synonyms import SETTINGS, plain_word
from launch.cli import (
    COMMANDS as TABLE,
)
from launch.cli import (
    EVAL_COMMANDS,
    STUDY_COMMANDS,
    SUBMIT_COMMANDS,
    build_app,
)
from launch.command_line.essentials import BEGINNING, ESSENTIALS, STAGES
from launch.command_line.synonyms import COMMANDS, NOTES, NOTES_OF, OPTIONS

PATHS = [
    *((name,) for name, *_ in TABLE),
    *(("eval", name) for name, *_ in EVAL_COMMANDS),
    ("eval", "segmenter", "train"),
    *(("study", name) for name, *_ in STUDY_COMMANDS),
    *(("submit", name) for name, *_ in SUBMIT_COMMANDS),
]
GROUPS = {"eval", "study", "submit", "--help", "--version"}


@cache
def names_of(path: tuple[str, ...]) -> frozenset[str]:
    app = build_app(path)
    _, apps, _ = app.parse_commands(list(path))
    with app.app_stack(apps):
        arguments = apps[-1].assemble_argument_collection()
    return frozenset(name for item in arguments for name in item.names)


EVERYWHERE = frozenset.union(*map(names_of, PATHS))


@pytest.mark.parametrize("word", [*SETTINGS, *OPTIONS, *NOTES])
def test_words_are_written_as_they_are_looked_up(word: str) -> None:
    assert plain_word(word) == word


def test_each_setting_exists() -> None:
    for word, settings in SETTINGS.items():
        for setting in settings:
            assert f"--{setting.replace('_', '-')}" in EVERYWHERE, (word, setting)


def test_each_option_exists() -> None:
    for word, options in OPTIONS.items():
        for option in options:
            assert {f"--{option}", option.upper()} & EVERYWHERE, (word, option)


def test_each_command_exists() -> None:
    known = {" ".join(path) for path in PATHS} | GROUPS
    for word, commands in COMMANDS.items():
        assert known.issuperset(commands), word


def test_notes_are_of_commands_that_there_are() -> None:
    known = {" ".join(path) for path in PATHS} | {"submit eval fid", "submit pack"}
    assert known.issuperset(name for names in NOTES_OF.values() for name in names)
    assert NOTES.keys() >= NOTES_OF.keys()


def test_options_that_notes_name_exist() -> None:
    options = {option for note in NOTES.values() for option in re.findall(r"--[\w.-]*\w", note)}
    assert options - {"--debug", "--help-all"} <= EVERYWHERE


@pytest.mark.parametrize("command", ESSENTIALS)
def test_essentials_are_options_of_their_command(command: str) -> None:
    assert names_of(tuple(command.split())).issuperset(ESSENTIALS[command])


def test_each_command_is_of_one_stage() -> None:
    named = [name for names in STAGES.values() for name in names]
    assert {name for name, *_ in TABLE} | {"eval", "study", "submit"} == set(named)
    assert len(named) == len(set(named))


def test_the_beginning_is_made_of_commands_and_options_that_there_are() -> None:
    for _, line in BEGINNING:
        _, *words = line.split()
        path = next(path for path in PATHS if tuple(words[: len(path)]) == path)
        assert names_of(path).issuperset(word for word in words if word.startswith("--"))


def test_no_command_stands_in_two_tables_but_the_report() -> None:
    targets = [target for table in (TABLE, EVAL_COMMANDS, STUDY_COMMANDS, SUBMIT_COMMANDS)
               for _, target, _ in table]  # fmt: skip
    twice = {target for target in targets if targets.count(target) > 1}
    assert twice == {"launch.commands.report:report"}
