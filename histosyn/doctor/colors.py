"""Grouping colours of label maps: near ones are one class, rare ones in between are strays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from histosyn.labels.label_map import COLOR_TOLERANCE
from histosyn.labels.pixel_values import packed_colors, unpacked_colors

# Classes are rarely rarer: this share of all pixels is 26 pixels of a 512x512 label map.
RARE_SHARE = 1e-4
# Smoothed outlines have colours between those of two areas: on the line between them up to rounding
# and compression, and rarer than both.
_MIX_DISTANCE = 12.0
_MIX_SHARE = 0.01
# Colours brighter or darker than these in all channels look white or black.
_WHITISH, _BLACKISH = 200, 60
# Values a channel takes in the colours that are offered: 7 * 7 * 7 colours, 42 apart or more.
_STEPS = (0, 42, 85, 127, 170, 212, 255)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A colour uint8 (3,) and those near it, `others` (m, 3): `pixels` counts all of them.

    `stray` says why it is no class of its own; it is empty for a class.
    """

    color: np.ndarray
    pixels: int
    others: np.ndarray
    stray: str = ""

    @property
    def name(self) -> str:
        """As "#rrggbb"."""
        return hex_color(self.color)


def hex_color(color: np.ndarray) -> str:
    """A colour uint8 (3,) as "#rrggbb"."""
    return f"#{bytes(color).hex()}"


def group_colors(pixels_of: Mapping[int, int], most: int) -> list[Group]:
    """Group packed colours around the most frequent ones, at most so many, most frequent first.

    A group takes what is within `COLOR_TOLERANCE` of its colour and in no earlier group. What lies
    outside of all groups is left out.
    """
    packed = np.array(sorted(pixels_of), dtype=np.uint32)
    counts = np.array([pixels_of[int(color)] for color in packed], dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    colors, counts = unpacked_colors(packed[order]).astype(int), counts[order]
    groups: list[Group] = []
    while len(colors) and len(groups) < most:
        near = np.abs(colors - colors[0]).max(axis=1) <= COLOR_TOLERANCE
        members = colors[near].astype(np.uint8)
        groups.append(Group(color=members[0], pixels=int(counts[near].sum()), others=members[1:]))
        colors, counts = colors[~near], counts[~near]
    return sorted(groups, key=lambda group: (-group.pixels, int(packed_colors(group.color))))


def stray_reason(group: Group, larger: list[Group], total: int) -> str:
    """Why a group is no class, given the larger ones and the number of all pixels; or ""."""
    if group.pixels < RARE_SHARE * total:
        return "too rare for a class"
    if group.pixels > _MIX_SHARE * total:
        return ""
    ends = np.array([item.color for item in larger], dtype=float).reshape(-1, 3)
    distances = _distances_to_lines(group.color.astype(float), ends)
    if not distances.size or distances.min() > _MIX_DISTANCE:
        return ""
    one, other = np.unravel_index(distances.argmin(), distances.shape)
    return f"between {larger[one].name} and {larger[other].name}, like a smoothed outline"


def distinct_colors(count: int, avoid: np.ndarray) -> list[str]:
    """Up to 255 colours that differ by 42 at least, each far from those before it.

    They are neither white nor black, which glass, gaps and ignored pixels have on most pictures.
    None of them could be taken for one of `avoid`, uint8 (n, 3), as long as there are enough.
    """
    grid = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), axis=-1).reshape(-1, 3)
    candidates = grid[(grid.min(axis=1) < _WHITISH) & (grid.max(axis=1) > _BLACKISH)]
    if len(avoid):
        differences = np.abs(candidates[:, None] - avoid[None].astype(int)).max(axis=2)
        free = differences.min(axis=1) > COLOR_TOLERANCE
        candidates = candidates[free] if free.sum() >= count else candidates
    chosen: list[np.ndarray] = []
    distances = np.minimum(*(np.abs(candidates - end).sum(axis=1) for end in (0, 255)))
    while len(chosen) < count:
        chosen.append(candidates[distances.argmax()])
        distances = np.minimum(distances, np.abs(candidates - chosen[-1]).sum(axis=1))
    return [hex_color(color.astype(np.uint8)) for color in chosen[:count]]


def _distances_to_lines(color: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, n) of a colour to the lines between each two of `ends` (n, 3)."""
    ways = ends[None] - ends[:, None]
    lengths = (ways**2).sum(axis=2)
    from_start = color - ends[:, None]
    shares = np.clip((from_start * ways).sum(axis=2) / np.where(lengths > 0, lengths, 1), 0, 1)
    distances = np.linalg.norm(from_start - shares[..., None] * ways, axis=2)
    return np.where(lengths > 0, distances, np.inf)
