"""A file to start a training from: every setting with its explanation, made from the settings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

from histosyn.config.file import as_literal, described
from histosyn.config.train import TrainConfig

_WIDTH = 90
_HEAD = """\
# A training: histosyn train --config train.toml
# The command line goes before this file, and the file before --preset.
#
# Lines with a # before them are the defaults: remove the # to change one.
"""
# What stands in the file as something to be changed.
_GIVEN: dict[str, Any] = {
    "data.shards": "packed/train",
    "data.global_batch": 8,
    "run.folder": "runs/first",
    "run.steps": 20_000,
}


def training_file() -> str:
    """The text of a file that `histosyn train --config` reads, with defaults as comments."""
    hints = get_type_hints(TrainConfig)
    sections = (_section(item.name, hints[item.name]) for item in fields(TrainConfig))
    return "\n".join([_HEAD, *sections])


def _section(name: str, kind: type) -> str:
    docs = explanations(kind)
    hints = get_type_hints(kind)
    lines = [f"[{name}]"]
    for item in fields(kind):
        text = docs.get(item.name, "")
        lines += [*textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# "),
                  _line(name, item, hints[item.name]), ""]  # fmt: skip
    return "\n".join(lines)


def _line(section: str, item: Field[Any], hint: Any) -> str:
    given = _GIVEN.get(f"{section}.{item.name}")
    if given is not None:
        return f"{item.name} = {as_literal(given)}"
    if item.default is None:
        return f"# {item.name} is not set; it would be {described(hint)}"
    if item.default is MISSING:
        raise AssertionError(f"{section}.{item.name} has no default, and is to be given")
    default = str(item.default) if isinstance(item.default, Path) else item.default
    return f"# {item.name} = {as_literal(default)}"


def explanations(kind: type) -> dict[str, str]:
    """The text below each field of a dataclass, by the field's name, in one line."""
    bases = [base for base in reversed(kind.__mro__) if is_dataclass(base)]
    return dict(pair for base in bases for pair in _explained(base))


def _explained(kind: type) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, text in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, " ".join(str(text.value.value).split())
