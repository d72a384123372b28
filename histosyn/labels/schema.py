"""Label schemas: which classes a data set has, in which order and colours.

A schema is a TOML file, or one of those that come with histosyn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.labels.class_values import (
    LARGEST_VALUE,
    as_written,
    check_values,
    value_table,
    values_from,
    values_of_classes,
)
from hpc.errors import InputError, SchemaError
from hpc.json_toml import plain_toml
from hpc.paths import AnyPath, as_path

# The name of a schema that was made from label maps; it says nothing to who was not there.
PROPOSED = "proposed"
MAX_CLASSES = 255
_IGNORE_COLOR = (128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """One tissue class; `color` is "#rrggbb".

    `value` says which values in 0..255 stand for it in index files; if empty, its index does.
    `objects` says that its connected regions are things of their own, such as nuclei or glands,
    which new label maps may move; two schemas that differ in nothing else are the same.
    """

    name: str
    color: str
    description: str = ""
    value: tuple[int, ...] = ()
    objects: bool = field(default=False, compare=False)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three integers in [0, 255]."""
        return tuple(bytes.fromhex(self.color[1:]))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class LabelSchema:
    """The classes of a data set in the order of their indices.

    `ignore` is an index outside [0, K) for pixels without a label: networks see no class there. In
    index files `ignore_values` stand for it, if there are any, or else `ignore` itself.
    """

    name: str
    classes: tuple[LabelClass, ...]
    ignore: int | None = None
    ignore_values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_schema(self)

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def palette(self) -> np.ndarray:
        """Class colours, uint8 (K, 3)."""
        return np.array([item.rgb for item in self.classes], dtype=np.uint8)

    @cached_property
    def object_classes(self) -> tuple[int, ...]:
        """Indices of the classes whose connected regions are objects."""
        return tuple(index for index, item in enumerate(self.classes) if item.objects)

    @cached_property
    def file_palette(self) -> np.ndarray:
        """The palette of files: colours of all 256 pixel values, uint8 (256, 3)."""
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[: len(self)] = self.palette
        if self.ignore is not None:
            palette[self.ignore] = _IGNORE_COLOR
        return palette

    @cached_property
    def allowed(self) -> np.ndarray:
        """Which of the 256 pixel values are classes (or ignored): bool (256,)."""
        allowed = np.arange(256) < len(self.classes)
        if self.ignore is not None:
            allowed[self.ignore] = True
        return allowed

    @cached_property
    def class_of_value(self) -> np.ndarray:
        """The class index of each of 256 values in index files, where known: uint8 (256,)."""
        position = self._positions[0]
        return np.where(position == len(self), self.ignore or 0, position).astype(np.uint8)

    @property
    def known_values(self) -> np.ndarray:
        """Which of the 256 values of index files mean a class (or ignored): bool (256,)."""
        return self._positions[1]

    @cached_property
    def _positions(self) -> tuple[np.ndarray, np.ndarray]:
        return value_table(_file_values(self))

    @property
    def values_are_indices(self) -> bool:
        """Whether index files hold the class indices themselves, as far as the schema says."""
        return not self.ignore_values and not any(item.value for item in self.classes)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in a schema file."""
        data: dict[str, Any] = {"name": self.name}
        if self.ignore is not None:
            data["ignore"] = as_written(self.ignore_values or (self.ignore,))
        data["classes"] = [
            {"name": item.name, "color": item.color}
            | ({"description": item.description} if item.description else {})
            | ({"value": as_written(item.value)} if item.value else {})
            | ({"objects": True} if item.objects else {})
            for item in self.classes
        ]
        return data


def built_in_schemas() -> list[str]:
    """Names of the schemas that come with histosyn."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files("histosyn.labels").joinpath("schemas").iterdir()
        if item.name.endswith(".toml")
    )


def load_schema(name_or_path: AnyPath) -> LabelSchema:
    """Load a built-in schema by name, or one from a TOML file.

    Raises SchemaError if the file contradicts itself, InputError if there is no such schema.
    """
    name_or_path = str(as_path(name_or_path, "label schema"))
    names = built_in_schemas()
    if name_or_path in names:
        text = (
            files("histosyn.labels").joinpath("schemas", f"{name_or_path}.toml").read_text("utf-8")
        )
        return parse_schema(text, str(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        near = get_close_matches(name_or_path, names, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise InputError(
            f"There is no label schema {name_or_path}. {hint}"
            f"Give one of {', '.join(names)} or the path of a TOML file."
        )
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    return parse_schema(text, str(path))


def schema_toml(schema: LabelSchema) -> str:
    """The text of a schema file, which `parse_schema` reads back."""
    lines = [f"name = {_quoted(schema.name)}"]
    if schema.ignore is not None:
        lines.append(f"ignore = {as_written(schema.ignore_values or (schema.ignore,))}")
    for item in schema.classes:
        lines += ["", "[[classes]]", f"name = {_quoted(item.name)}", f'color = "{item.color}"']
        if item.value:
            lines.append(f"value = {as_written(item.value)}")
        if item.objects:
            lines.append("objects = true")
        if item.description:
            lines.append(f"description = {_quoted(item.description)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string: as in JSON, but for the one control character that JSON allows."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_schema(text: str, source: str) -> LabelSchema:
    """Parse the TOML text of a schema; `source` is what errors call it."""
    try:
        data = plain_toml(text)
    except ValueError as error:
        raise SchemaError(f"{source} is not valid TOML: {error}.") from error
    data.setdefault("name", Path(source).stem)
    return schema_from_dict(data, source)


def schema_from_dict(data: dict[str, Any], source: str) -> LabelSchema:
    """Build a schema from plain data (a schema file, `dataset.json`, a model's `config.json`)."""
    if not isinstance(data, dict):
        raise SchemaError(f"{source}: the label schema must be a table, not {data!r}.")
    unknown = set(data) - {"name", "classes", "ignore"}
    if unknown:
        raise SchemaError(f"{source}: unknown key {sorted(unknown)[0]!r} in the label schema.")
    try:
        classes = tuple(_class_from(item, source) for item in data["classes"])
        ignored = _ignored_from(data.get("ignore"), len(classes))
        return LabelSchema(name=str(data["name"]), classes=classes, **ignored)
    except KeyError as error:
        raise SchemaError(f"{source}: the label schema lacks {error}.") from error
    except TypeError as error:
        raise SchemaError(f"{source}: classes must be a list of tables, [[classes]].") from error
    except SchemaError as error:
        raise SchemaError(f"{source}: {error}") from error


def _class_from(data: Any, source: str) -> LabelClass:
    known = [item.name for item in fields(LabelClass)]
    if not isinstance(data, dict):
        raise SchemaError(f"{source}: each of [[classes]] must be a table, not {data!r}.")
    for key in data:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
            raise SchemaError(f"{source}: unknown key {key!r} in [[classes]]; {hint}")
    for key in ("name", "color"):
        if key not in data:
            raise SchemaError(f"{source}: one of [[classes]] has no {key}. Add it.")
    if "value" not in data:
        return LabelClass(**data)
    value = values_from(data["value"], f"{source}: value")
    return LabelClass(**data | {"value": value})


def _ignored_from(data: Any, classes: int) -> dict[str, Any]:
    """`ignore` and `ignore_values` of a schema from what its file says.

    A value that is no class index is the index, too; for others (0, in many data sets) 255 is it.
    """
    if data is None:
        return {}
    values = values_from(data, "ignore")
    if len(values) == 1 and values[0] >= classes:
        return {"ignore": values[0]}
    return {"ignore": LARGEST_VALUE, "ignore_values": values}


def _file_values(schema: LabelSchema) -> list[tuple[int, ...]]:
    """The values in index files of each class and, last, of what is ignored, if anything is."""
    said = [item.value for item in schema.classes]
    if schema.ignore is None:
        return values_of_classes(said, ())
    ignored = schema.ignore_values or (schema.ignore,)
    return [*values_of_classes(said, ignored), ignored]


def _check_schema(schema: LabelSchema) -> None:
    if not 2 <= len(schema.classes) <= MAX_CLASSES:
        raise SchemaError(f"A label schema has 2 to {MAX_CLASSES} classes, not {len(schema)}.")
    for item in schema.classes:
        for what, value in vars(item).items():
            if what not in ("value", "objects") and not isinstance(value, str):
                raise SchemaError(f"{what} = {value!r} of a class must be text in quotes.")
        if not isinstance(item.objects, bool):
            raise SchemaError(
                f"Class {item.name}: objects = {item.objects!r} must be true or false."
            )
    for what, values in (
        ("name", [item.name for item in schema.classes]),
        ("color", [item.color.lower() for item in schema.classes]),
    ):
        doubled = next((value for value in values if values.count(value) > 1), None)
        if doubled:
            raise SchemaError(f"Two classes have the {what} {doubled!r}. Make them differ.")
    for item in schema.classes:
        if not _is_color(item.color):
            raise SchemaError(f"Class {item.name}: color {item.color!r} is not like '#a1b2c3'.")
    ignore = schema.ignore
    if ignore is not None and not (type(ignore) is int and len(schema) <= ignore <= 255):
        raise SchemaError(f"ignore = {ignore!r} must be a whole number in {len(schema)}..255.")
    holders = [f"class {item.name}" for item in schema.classes] + ["ignored pixels"]
    file_values = _file_values(schema)
    check_values(holders[: len(file_values)], file_values)


def _is_color(text: str) -> bool:
    digits = text[1:]
    return (
        text.startswith("#") and len(digits) == 6 and set(digits.lower()) <= set("0123456789abcdef")
    )
