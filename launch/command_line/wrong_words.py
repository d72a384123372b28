"""The answer to an option or command that there is none of: what was meant, and how it is called.

Synonyms go before edit distance, which leads from `--lr` to `--run`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import takewhile

from cyclopts import App
from cyclopts.exceptions import MissingArgumentError, UnknownCommandError, UnknownOptionError

from histosyn.config.synonyms import plain_word, settings_meant
from hpc.errors import ConfigError, InputError
from launch.command_line.synonyms import COMMANDS, NOTES, NOTES_OF, OPTIONS

_EPOCHS = ("epochs", "n_epochs", "num_epochs", "max_epochs", "niter")
_MOST = 2


@contextmanager
def right_words(
    app: App,
    tokens: Sequence[str],
    place: str = "",
    groups: Mapping[str, Collection[str]] | None = None,
) -> Iterator[None]:
    """While a command line is read: one InputError for a word that there is none of.

    It goes before what is missing, which may be there under another name. `place` are the commands
    that `app` is the last of, `groups` the commands of eval and study.
    """
    try:
        yield
    except UnknownCommandError as error:
        raise InputError(unknown_command(error, app, groups or {})) from error
    except (UnknownOptionError, MissingArgumentError, ConfigError) as error:
        path, names = _options_of(app, tokens)
        command = f"{place} {' '.join(path)}".strip()
        word = _word_of(error) or _first_unknown(tokens, names)
        if word is None:
            raise
        raise InputError(unknown_option(word, names, command, tokens)) from error


def unknown_option(word: str, names: Collection[str], command: str, tokens: Sequence[str]) -> str:
    """What to say of an option that is not among the `names` of the command's."""
    told = [f"Unknown option: {word}."]
    meant = options_meant(word, names)
    if meant:
        told.append(f"Did you mean {_listed(meant)}?")
    if plain_word(word) in _EPOCHS and "--run.steps" in names:
        # Only now: it looks into shards, and all commands come through this module.
        from launch.command_line.epochs import epochs_as_steps

        told.append(epochs_as_steps(tokens, _value_after(word, tokens)))
    elif note := note_on(word, command):
        told.append(note)
    return " ".join([*told, f"See histosyn {command} --help."])


def _options_of(app: App, tokens: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The commands that are named, and the options and arguments of the last."""
    path, apps, _ = app.parse_commands(tokens)
    with app.app_stack(apps):
        arguments = apps[-1].assemble_argument_collection()
    flags = (*apps[-1].help_flags, *apps[-1].version_flags)
    return path, [*(name for item in arguments if item.parse for name in item.names), *flags]


def _word_of(error: Exception) -> str | None:
    if not isinstance(error, UnknownOptionError):
        return None
    return (error.token.keyword or error.token.value).partition("=")[0]


def _first_unknown(tokens: Sequence[str], names: Collection[str]) -> str | None:
    known = {plain_word(name) for name in names}
    options = takewhile(lambda token: token != "--", tokens)
    words = (token.partition("=")[0] for token in options if token.startswith("--"))
    return next((word for word in words if plain_word(word) not in known), None)


def options_meant(word: str, names: Collection[str]) -> tuple[str, ...]:
    """Of the options and arguments that a command has, those that `word` may mean.

    By the tables; then one that has this name in a section, as --steps is --run.steps; then what
    is spelled nearly so.
    """
    plain = plain_word(word)
    by_table = [
        *(f"--{name.replace('_', '-')}" for name in settings_meant(plain, lambda name: True)),
        *(form for name in OPTIONS.get(plain, ()) for form in (f"--{name}", name.upper())),
    ]
    found = [name for name in dict.fromkeys(by_table) if name in names]
    if found:
        return tuple(found[:_MOST])
    if plain in NOTES:
        return ()
    same = [name for name in names if plain_word(name.rpartition(".")[2]) == plain]
    return tuple(same[:_MOST]) or tuple(get_close_matches(word, list(names), n=1))


def note_on(word: str, command: str) -> str:
    """What is to be known besides, in this command."""
    plain = plain_word(word)
    where = {command, command.removeprefix("submit ")}
    return NOTES.get(plain, "") if where.intersection(NOTES_OF.get(plain, where)) else ""


def unknown_command(
    error: UnknownCommandError, app: App, groups: Mapping[str, Collection[str]]
) -> str:
    """What to say of a command that there is none of: what was meant, or all that there are.

    `groups` are the commands of eval, study and submit.
    """
    word = (error.unused_tokens or [""])[0]
    path = "".join(f"{name} " for name in error.command_chain or ())
    known = [name for name in error.app or app if not name.startswith("-")]
    told = [f'Unknown command "{path}{word}".']
    meant = _nested(word, groups) if not path else ()
    meant = meant or _commands_meant(word, path, known)
    if meant:
        told.append(f"Did you mean {_listed(f'histosyn {name}' for name in meant)}?")
    else:
        told.append(f"There are {', '.join(path + name for name in known)}.")
    told.append(f"See histosyn {path}--help.")
    return " ".join(told)


def _commands_meant(word: str, path: str, known: Sequence[str]) -> tuple[str, ...]:
    plain = word.lower()
    if not path and plain in COMMANDS:
        return COMMANDS[plain]
    return tuple(f"{path}{name}" for name in get_close_matches(plain, known, n=1))


def _nested(word: str, groups: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """`fid` is `eval fid`."""
    return tuple(f"{group} {word}" for group, names in groups.items() if word in names)[:_MOST]


def _value_after(word: str, tokens: Sequence[str]) -> str | None:
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        name, equals, value = token.partition("=")
        if name == word:
            return value if equals else after
    return None


def _listed(words: Iterable[str]) -> str:
    return " or ".join(words)
