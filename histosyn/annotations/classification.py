"""What an annotation's properties say of its class, in all the forms that QuPath has had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# QuPath writes a derived class, a class of a class, with this between the names.
DERIVED = ": "


def class_name(properties: Mapping[str, Any]) -> str | None:
    """The name of the class: "Tumor", "Tumor: Positive"; None for what is not classified.

    `classification` is a record with `name`, or `names` of a derived class, or the name itself.
    """
    said = properties.get("classification")
    if isinstance(said, Mapping):
        names = said.get("names")
        said = said.get("name") if not isinstance(names, list) else DERIVED.join(map(str, names))
    return said.strip() or None if isinstance(said, str) else None


def class_color(properties: Mapping[str, Any]) -> str | None:
    """The colour of the class as "#rrggbb": `color` [r, g, b] or, before 0.3, `colorRGB`."""
    said = properties.get("classification")
    found = said if isinstance(said, Mapping) else properties
    color = found.get("color")
    if isinstance(color, list) and len(color) >= 3 and all(map(_is_byte, color[:3])):
        return f"#{bytes(color[:3]).hex()}"
    packed = found.get("colorRGB")
    # A whole number of Java, alpha in front, and so negative.
    return f"#{packed & 0xFFFFFF:06x}" if isinstance(packed, int) else None


def bases_of(name: str) -> list[str]:
    """A derived class, and what it is derived from: "A: B: C", "A: B", "A"."""
    parts = name.split(DERIVED)
    return [DERIVED.join(parts[:count]) for count in range(len(parts), 0, -1)]


def _is_byte(value: object) -> bool:
    return type(value) is int and 0 <= value <= 255
