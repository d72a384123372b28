"""Write the pages that are made from the code: python docs/make_reference.py

docs/commands.md        every command and option, as `--help` has them
docs/configuration.md   every setting of a training, a segmenter and a sweep, with its default

A test compares them with the code; run this after a change of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from eval.segmenter.config import SegmenterConfig
from histosyn.config.file import as_literal, described
from histosyn.config.train import TrainConfig
from hpc.files import write_text
from launch.cli import COMMANDS, EVAL_COMMANDS, STUDY_COMMANDS, SUBMIT_COMMANDS, build_app
from launch.command_line.training_file import explanations
from tune.plan.objective import KINDS
from tune.plan.settings import SweepConfig

FOLDER = Path(__file__).parent
_MADE = "<!-- Made by docs/make_reference.py: change the code, then run it again. -->"
_SETTING = re.compile(r"`--[a-z]+\.")
_COMMANDS = f"""{_MADE}

# Commands

What `--help` tells, of every command. `histosyn` alone says where to begin; how the command line
works is told in [The command line](command-line.md). With `--debug`, errors show their traceback.
"""
_CONFIGURATION = f"""{_MADE}

# Settings

Every setting can stand in a TOML file (`--config`), or on the command line with hyphens for
underscores: `run.checkpoint_every` is `--run.checkpoint-every`. The command line goes before the
file, and the file before `--preset`. `histosyn init train` writes a file with all of them. What
they do to tissue and time is told in [presets](presets.md).
"""


def commands_page() -> str:
    """All commands, by the generator of the package that the command line is built on."""
    tables = (COMMANDS, EVAL_COMMANDS, STUDY_COMMANDS, SUBMIT_COMMANDS)
    # The help of commands that are named is their whole docstring.
    app = build_app([name for table in tables for name, *_ in table])
    text = app.generate_docs(max_heading_level=4)
    sections = re.split(r"^(?=##+ histosyn )", text, flags=re.MULTILINE)[1:]
    return "\n".join([_COMMANDS, *map(_without_settings, sections)]).strip() + "\n"


def _without_settings(section: str) -> str:
    """Settings, such as --run.steps, have a page of their own."""
    items = re.split(r"^(?=\* |##|\*\*)", section, flags=re.MULTILINE)
    kept = [item for item in items if not (item.startswith("* ") and _SETTING.match(item[2:]))]
    text = "".join(kept).rstrip() + "\n"
    if len(kept) < len(items):
        text += "\nAnd every setting of [Settings](configuration.md).\n"
    # One blank line between paragraphs, and none at the ends of lines.
    return re.sub(r"[ \t]+$", "", re.sub(r"\n{3,}", "\n\n", text), flags=re.MULTILINE)


def configuration_page() -> str:
    """All settings by section: name, kind, default, meaning."""
    parts = [_CONFIGURATION]
    for title, kind in (
        ("Training: `histosyn train`", TrainConfig),
        ("Segmenter: `histosyn eval segmenter train`", SegmenterConfig),
    ):
        parts.append(f"## {title}\n")
        hints = get_type_hints(kind)
        parts += [_table(item.name, hints[item.name]) for item in fields(kind)
                  if is_dataclass(hints[item.name])]  # fmt: skip
    parts += ["## Sweep: `histosyn tune`\n", _table("sweep", SweepConfig)]
    parts += [_table(f"objective.{name}", kind) for name, kind in KINDS.items()]
    return "\n".join(parts).strip() + "\n"


def _table(section: str, kind: Any) -> str:
    docs, hints = explanations(kind), get_type_hints(kind)
    rows = [_row(section, item, hints[item.name], docs.get(item.name, "")) for item in fields(kind)]
    return "\n".join(["| setting | default | |", "|---|---|---|", *rows, ""])


def _row(section: str, item: Field[Any], hint: Any, meaning: str) -> str:
    choices = " ".join(f"`{choice}`" for choice in _choices(hint))
    told = " ".join(filter(None, (meaning, f"One of {choices}." if choices else "")))
    return (
        f"| `{section}.{item.name}` | {_default(item, hint)} | {told.replace('|', chr(92) + '|')} |"
    )


def _choices(hint: Any) -> Iterator[str]:
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Literal:
            yield from get_args(part)


def _default(item: Field[Any], hint: Any) -> str:
    if item.default is MISSING:
        return "to be given"
    if item.default is None:
        return f"unset ({described(hint)})"
    default = str(item.default) if isinstance(item.default, Path) else item.default
    return f"`{as_literal(default)}`"


PAGES = {"commands.md": commands_page, "configuration.md": configuration_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        write_text(FOLDER / name, page())
