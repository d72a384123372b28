"""Building blocks of procedural tissue: smooth noise, fibres, and many small ellipses at once.

Everything here is geometry and texture; what it means is decided in `histosyn.phantom.tissue`.
Coordinates are pixels, x to the right and y down, with pixel centres on whole numbers; every
field is float64 of shape (size, size).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

# Mean variance of a uniform cubic B-spline over independent unit coefficients, in one dimension.
_SPLINE_VARIANCE = 151 / 315
_FIBRE_STEPS = 9


@dataclass(frozen=True, kw_only=True)
class Ellipses:
    """n ellipses: centres, semi-axes `length` and `width` in pixels, `angle` of the first axis."""

    x: np.ndarray
    y: np.ndarray
    length: np.ndarray
    width: np.ndarray
    angle: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def where(self, keep: np.ndarray) -> Ellipses:
        """Those that `keep`, a bool mask or indices, selects."""
        return Ellipses(**{item.name: getattr(self, item.name)[keep] for item in fields(self)})


def joined(groups: list[Ellipses]) -> Ellipses:
    """All ellipses of several groups, in order."""
    return Ellipses(
        **{
            item.name: np.concatenate([[], *(getattr(group, item.name) for group in groups)])
            for item in fields(Ellipses)
        }
    )


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """The pixels near n ellipses, as flat lists of equal length.

    `pixel` indexes the flattened window, `owner` the ellipses; `depth` is the approximate distance
    to the outline in pixels, positive inside.
    """

    size: int
    pixel: np.ndarray
    owner: np.ndarray
    depth: np.ndarray

    def highest(self, values: np.ndarray, floor: float = 0.0) -> np.ndarray:
        """Per pixel of the window the highest of the listed values, (size, size)."""
        canvas = np.full(self.size * self.size, floor)
        np.maximum.at(canvas, self.pixel, values)
        return canvas.reshape(self.size, self.size)


def stamp(ellipses: Ellipses, size: int, wobble: np.ndarray | float = 0.0) -> Stamps:
    """List the pixels of a size x size window in or next to each ellipse.

    `wobble` (size, size) is added to the depth, which makes outlines irregular.
    """
    radius = int(np.ceil(ellipses.length.max(initial=0.0))) + 2
    step = np.arange(-radius, radius + 1)
    column = np.rint(ellipses.x).astype(int)[:, None, None] + step[None, None, :]
    row = np.rint(ellipses.y).astype(int)[:, None, None] + step[None, :, None]
    depth = _depth(ellipses, column, row)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    owner, at_row, at_column = np.nonzero(inside & (depth > -2.0))
    pixel = row[owner, at_row, 0] * size + column[owner, 0, at_column]
    wobbled = depth[owner, at_row, at_column] + np.broadcast_to(wobble, (size, size)).ravel()[pixel]
    return Stamps(size=size, pixel=pixel, owner=owner, depth=wobbled)


def coverage(depth: np.ndarray) -> np.ndarray:
    """Share of a pixel that lies inside an outline at this signed depth: antialiasing."""
    return np.clip(depth + 0.5, 0.0, 1.0)


def smooth_noise(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Smooth random field (size, size), about normal with unit variance; `scale` is in pixels."""
    (first_row, row_weights), (first_column, column_weights) = (
        _spline(size, scale, shift) for shift in rng.random(2)
    )
    knots = first_row[-1] + 4, first_column[-1] + 4
    lattice = rng.standard_normal(knots)
    # Four taps an axis, by hand: a matrix product would wake up all threads for this little.
    rows = sum(row_weights[tap][:, None] * lattice[first_row + tap] for tap in range(4))
    field = sum(column_weights[tap] * rows[:, first_column + tap] for tap in range(4))
    return field / _SPLINE_VARIANCE


def streaks(noise_CHW: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Smear noise along a field of directions, of unit variance again: the look of fibres.

    Line integral convolution (Cabral & Leedom, "Imaging vector fields using line integral
    convolution", SIGGRAPH 1993), with steps of 1.5 px; `angle` (H, W) is in radians.
    """
    height, width = angle.shape
    direction_x, direction_y = np.cos(angle), np.sin(angle)
    total = noise_CHW.copy()
    for sign in (1.0, -1.0):
        y, x = np.indices(angle.shape).astype(float)
        dx, dy = sign * direction_x, sign * direction_y
        for _ in range(_FIBRE_STEPS):
            x, y = x + 1.5 * dx, y + 1.5 * dy
            row = np.clip(np.rint(y).astype(int), 0, height - 1)
            column = np.clip(np.rint(x).astype(int), 0, width - 1)
            total += noise_CHW[:, row, column]
            next_x, next_y = direction_x[row, column], direction_y[row, column]
            # A direction has no head: go on where we were going.
            turn = np.where(next_x * dx + next_y * dy < 0, -1.0, 1.0)
            dx, dy = turn * next_x, turn * next_y
    return total / total.std(axis=(1, 2), keepdims=True)


def value_at(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Field values at points; beyond the border, those of the border."""
    row = np.clip(np.rint(y).astype(int), 0, field.shape[0] - 1)
    column = np.clip(np.rint(x).astype(int), 0, field.shape[1] - 1)
    return field[row, column]


def jittered_grid(
    rng: np.random.Generator, size: int, pitch: float, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points (x, y) spread evenly but not regularly over a window and a margin around it."""
    ticks = np.arange(-margin, size + margin, pitch)
    x, y = (axis.ravel() for axis in np.meshgrid(ticks, ticks))
    # Every second row is shifted, as in a honeycomb.
    x = x + 0.5 * pitch * (np.arange(len(x)) // len(ticks) % 2)
    jitter = rng.uniform(-0.36, 0.36, (2, len(x))) * pitch
    return x + jitter[0], y + jitter[1]


def _depth(ellipses: Ellipses, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """First-order distance to an ellipse: (1 - |p/r|) |p/r| / |p/r^2|, positive inside."""
    x = column - ellipses.x[:, None, None]
    y = row - ellipses.y[:, None, None]
    cos, sin = (part(ellipses.angle)[:, None, None] for part in (np.cos, np.sin))
    length, width = ellipses.length[:, None, None], ellipses.width[:, None, None]
    along, across = (x * cos + y * sin) / length, (y * cos - x * sin) / width
    radius = np.hypot(along, across)
    slope = np.hypot(along / length, across / width)
    return (1.0 - radius) * radius / np.maximum(slope, 1e-9)


def _spline(size: int, scale: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Cubic B-spline taps with a knot every `scale` px: first knots (size,), weights (4, size)."""
    position = np.arange(size) / scale + shift
    first = position.astype(int)
    t = position - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    return first, np.stack(weights) / 6
