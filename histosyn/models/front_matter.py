"""The beginning of a model card that the Hugging Face Hub reads: YAML between two lines of dashes.

Keys and their meaning: the Hub's "model card metadata"; `model-index` as Papers with Code had it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from histosyn.labels.label_map import LabelSchema
from histosyn.labels.schema import PROPOSED

_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_-]*")


def front_matter(
    schema: LabelSchema,
    license_id: str = "other",
    name: str = "",
    results: Sequence[dict[str, Any]] = (),
) -> str:
    """The beginning of the card of a model called `name`, with what was measured, if anything.

    `results` are those of `model-index`, plain data. Whose data a model was trained on decides
    under which licence it may be published.
    """
    content: dict[str, Any] = {
        "license": license_id,
        "library_name": "histosyn",
        "pipeline_tag": "image-to-image",
        "tags": [
            "histology",
            "pathology",
            "hematoxylin-eosin",
            "semantic-image-synthesis",
            "synthetic-data",
            *_schema_tags(schema),
        ],
    }
    if results:
        content["model-index"] = [{"name": name, "results": list(results)}]
    return "---\n" + yaml_text(content) + "---\n"


def _schema_tags(schema: LabelSchema) -> list[str]:
    """None for a schema that was made from label maps: its name is not one that others look for."""
    if schema.name == PROPOSED:
        return []
    return [f"label-schema-{re.sub('[^a-z0-9]+', '-', schema.name.lower()).strip('-')}"]


def yaml_text(content: dict[str, Any]) -> str:
    """Plain data as YAML, block style, that readers of YAML 1.1 and 1.2 take for the same."""
    return "".join(f"{line}\n" for line in _lines(content))


def _lines(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            shown = key if _PLAIN_KEY.fullmatch(key) else _scalar(key)
            if not _is_block(item):
                yield f"{shown}: {_scalar(item)}"
                continue
            yield f"{shown}:"
            indent = "  " if isinstance(item, dict) else ""
            yield from (indent + line for line in _lines(item))
        return
    for item in value:
        if not _is_block(item):
            yield f"- {_scalar(item)}"
            continue
        for number, line in enumerate(_lines(item)):
            yield ("  " if number else "- ") + line


def _is_block(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        # YAML 1.1 takes 1e-05 for text.
        mantissa, exponent, power = repr(value).partition("e")
        return mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN_KEY.fullmatch(value) and value not in _WORDS:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    # Half surrogates stand for bytes of names that are no text.
    code = ord(letter)
    return "\\uFFFD" if 0xD800 <= code < 0xE000 else f"\\U{code:08x}"


# Which YAML 1.1 takes for something else than text.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
