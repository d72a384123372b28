"""Label schemas and label maps: which class is which index, which colour, and how files are read.

A label map in memory is always an array of class indices; colours exist only in files.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histosyn.images import opened_image, png_bytes
from hpc.errors import InputError, LabelError, SchemaError

# Largest difference in any of R, G, B at which a colour still snaps to a class. The original's own
# example maps are off by up to 23 (colour management); its closest class colours differ by 41.
COLOR_TOLERANCE = 24
MAX_CLASSES = 255
_IGNORE_COLOR = (128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """One tissue class; `color` is "#rrggbb"."""

    name: str
    color: str
    description: str = ""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three integers in [0, 255]."""
        return tuple(bytes.fromhex(self.color[1:]))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class LabelSchema:
    """The classes of a data set in the order of their indices.

    `ignore` is an index outside [0, K) for pixels without a label: networks see no class there.
    """

    name: str
    classes: tuple[LabelClass, ...]
    ignore: int | None = None

    def __post_init__(self) -> None:
        _check_schema(self)

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def palette(self) -> np.ndarray:
        """Class colours, uint8 (K, 3)."""
        return np.array([item.rgb for item in self.classes], dtype=np.uint8)

    @cached_property
    def allowed(self) -> np.ndarray:
        """Which of the 256 pixel values are classes (or ignored): bool (256,)."""
        allowed = np.arange(256) < len(self.classes)
        if self.ignore is not None:
            allowed[self.ignore] = True
        return allowed

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in a schema file."""
        data: dict[str, Any] = {"name": self.name}
        if self.ignore is not None:
            data["ignore"] = self.ignore
        data["classes"] = [
            {"name": item.name, "color": item.color}
            | ({"description": item.description} if item.description else {})
            for item in self.classes
        ]
        return data


def built_in_schemas() -> list[str]:
    """Names of the schemas that come with histosyn."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files("histosyn").joinpath("schemas").iterdir()
        if item.name.endswith(".toml")
    )


def load_schema(name_or_path: str | Path) -> LabelSchema:
    """Load a built-in schema by name, or one from a TOML file.

    Raises SchemaError if the file contradicts itself, InputError if there is no such schema.
    """
    names = built_in_schemas()
    if str(name_or_path) in names:
        text = files("histosyn").joinpath("schemas", f"{name_or_path}.toml").read_text("utf-8")
        return parse_schema(text, str(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        near = get_close_matches(str(name_or_path), names, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise InputError(
            f"There is no label schema {name_or_path}. {hint}"
            f"Give one of {', '.join(names)} or the path of a TOML file."
        )
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    return parse_schema(text, str(path))


def parse_schema(text: str, source: str) -> LabelSchema:
    """Parse the TOML text of a schema; `source` is what errors call it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
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
        classes = tuple(LabelClass(**item) for item in data["classes"])
        return LabelSchema(name=str(data["name"]), classes=classes, ignore=data.get("ignore"))
    except KeyError as error:
        raise SchemaError(f"{source}: the label schema lacks {error}.") from error
    except TypeError as error:
        raise SchemaError(
            f"{source}: each of [[classes]] takes name, color and description ({error})."
        ) from error
    except SchemaError as error:
        raise SchemaError(f"{source}: {error}") from error


def read_label_map(
    source: Path | bytes,
    schema: LabelSchema,
    *,
    name: str | None = None,
    tolerance: int = COLOR_TOLERANCE,
) -> np.ndarray:
    """Read a label map as uint8 class indices of shape (H, W).

    Grayscale files hold indices. Colour files hold class colours. A palette file holds indices if
    its used entries are the schema's own, as in the files that histosyn writes. Otherwise its
    colours count if all of them are class colours, its indices if none is; a mixture is an error.

    Raises LabelError naming the file and the first offending value or colour.
    """
    name = name or str(source)
    with opened_image(source, name) as image:
        if image.format in ("JPEG", "MPO"):
            raise LabelError(
                f"{name} is a JPEG, which changes the values of pixels: classes are lost in it. "
                "Export the label map again, as PNG."
            )
        if image.mode in ("L", "1"):
            return checked_indices(np.array(image, dtype=np.uint8), schema, name)
        if image.mode == "P":
            return _read_palette(image, schema, name, tolerance)
        if image.mode in ("RGB", "RGBA"):
            return _read_colors(_opaque(image, name), schema, name, tolerance)
        raise LabelError(
            f"{name} has mode {image.mode}; a label map must be 8-bit indices or 8-bit RGB. "
            "Convert the file."
        )


def checked_indices(labels_HW: np.ndarray, schema: LabelSchema, name: str) -> np.ndarray:
    """The uint8 array `labels_HW` itself; LabelError naming the first value outside the schema."""
    counts = np.bincount(labels_HW.ravel(), minlength=256)
    outside = np.flatnonzero(counts[~schema.allowed])
    if len(outside):
        value = np.flatnonzero(~schema.allowed)[outside[0]]
        raise LabelError(
            f"{name}: value {value} ({counts[value]} pixels) is outside schema {schema.name}, "
            f"whose indices are 0 to {len(schema) - 1}. Relabel the file or use the right schema."
        )
    return labels_HW


def label_image(labels_HW: np.ndarray, schema: LabelSchema) -> Image.Image:
    """A palette image whose pixel values are the class indices, in the schema's colours."""
    image = Image.fromarray(np.ascontiguousarray(labels_HW, dtype=np.uint8))
    image.putpalette(_file_palette(schema).tobytes())
    return image


def label_png_bytes(labels_HW: np.ndarray, schema: LabelSchema) -> bytes:
    """Encode a label map as palette PNG; raises LabelError for an index outside the schema."""
    checked_indices(labels_HW, schema, "label map")
    return png_bytes(label_image(labels_HW, schema))


def colorize(labels_HW: np.ndarray, schema: LabelSchema) -> np.ndarray:
    """Label map as uint8 RGB (H, W, 3), for pictures that people look at."""
    return np.asarray(label_image(labels_HW, schema).convert("RGB"))


def _file_palette(schema: LabelSchema) -> np.ndarray:
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(schema)] = schema.palette
    if schema.ignore is not None:
        palette[schema.ignore] = _IGNORE_COLOR
    return palette


def _read_palette(image: Image.Image, schema: LabelSchema, name: str, tolerance: int) -> np.ndarray:
    indices = np.array(image)
    pixels = np.asarray(image.convert("RGB"))
    used, first = np.unique(indices, return_index=True)
    colors = pixels.reshape(-1, 3)[first]
    if schema.allowed[used].all() and np.array_equal(colors, _file_palette(schema)[used]):
        return indices
    if not _snap(colors, schema, tolerance).near.any():
        return checked_indices(indices, schema, name)
    remedy = (
        "Others in its palette are class colours, so it could mean colours or indices. Recolour "
        "it, use the schema it was drawn with, or save its indices as 8-bit grayscale."
    )
    return _read_colors(pixels, schema, name, tolerance, remedy)


def _opaque(image: Image.Image, name: str) -> np.ndarray:
    pixels = np.asarray(image)
    if image.mode == "RGBA" and (pixels[..., 3] != 255).any():
        raise LabelError(f"{name} has transparent pixels. Save it as opaque RGB.")
    return pixels[..., :3]


def _read_colors(
    pixels_HWC: np.ndarray,
    schema: LabelSchema,
    name: str,
    tolerance: int,
    remedy: str = "Recolour the file or use the schema it was drawn with.",
) -> np.ndarray:
    packed = pixels_HWC.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    used, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors = np.stack([used >> 16, used >> 8, used], axis=1).astype(np.uint8)
    snap = _snap(colors, schema, tolerance)
    if not snap.near.all():
        strangers = _describe_strangers(colors, counts, snap, schema, tolerance)
        raise LabelError(f"{name}: {strangers} {remedy}")
    return snap.classes[inverse].reshape(packed.shape)


@dataclass(frozen=True, kw_only=True)
class _Snap:
    """For each of n colours the nearest class, how far it is, and whether that is near enough.

    Distance is the largest channel difference. A colour must also be twice as near to its class as
    to any other: halfway between two classes it could mean either.
    """

    classes: np.ndarray
    distances: np.ndarray
    near: np.ndarray


def _snap(colors: np.ndarray, schema: LabelSchema, tolerance: int) -> _Snap:
    differences = np.abs(colors[:, None].astype(int) - schema.palette[None].astype(int)).max(axis=2)
    nearest, second = np.sort(differences, axis=1)[:, :2].T
    return _Snap(
        classes=differences.argmin(axis=1).astype(np.uint8),
        distances=nearest,
        near=(nearest <= tolerance) & (2 * nearest <= second),
    )


def _describe_strangers(
    colors: np.ndarray, counts: np.ndarray, snap: _Snap, schema: LabelSchema, tolerance: int
) -> str:
    far = np.flatnonzero(~snap.near)
    worst = far[counts[far].argmax()]
    nearest = schema.classes[snap.classes[worst]]
    others = f" (and {len(far) - 1} other colours)" if len(far) > 1 else ""
    return (
        f"colour #{bytes(colors[worst]).hex()} ({counts[worst]} pixels){others} "
        f"belongs to no class of schema {schema.name}; nearest is {nearest.name} {nearest.color}, "
        f"off by {snap.distances[worst]} (tolerance {tolerance})."
    )


def _check_schema(schema: LabelSchema) -> None:
    if not 2 <= len(schema.classes) <= MAX_CLASSES:
        raise SchemaError(f"A label schema has 2 to {MAX_CLASSES} classes, not {len(schema)}.")
    for item in schema.classes:
        for what, value in vars(item).items():
            if not isinstance(value, str):
                raise SchemaError(f"{what} = {value!r} of a class must be text in quotes.")
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


def _is_color(text: str) -> bool:
    digits = text[1:]
    return (
        text.startswith("#") and len(digits) == 6 and set(digits.lower()) <= set("0123456789abcdef")
    )
