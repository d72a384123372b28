"""The learning curve of a utility experiment as a picture: mean Dice by share of real data."""

from __future__ import annotations

from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from eval.statistics.result import Number, Result
from histosyn.images.tiles import png_bytes
from hpc.files import write_bytes

_SIZE = (900, 560)
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 50, 240, 70
_INK, _PALE = "#222222", "#dddddd"
# Told apart also by who sees no difference of red and green (Okabe & Ito).
_COLOURS = {
    "real": "#000000",
    "augmentation": "#e69f00",
    "real+synthetic": "#0072b2",
    "synthetic": "#d55e00",
}
# Of crossed arms, in their order.
_MORE_COLOURS = ("#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#7f3c8d", "#8c564b", "#999999")
# For which there is room beside the curve.
_MOST_ARMS = 14
_FONT_PIXELS = 16
_LINES = 5
_RADIUS = 5
# So that intervals at the same share stand beside each other.
_STEP_ASIDE = 6


def draw_curve(result: Result, path: Path) -> None:
    """Write a PNG: a line an arm, bars for the intervals. Scores without a value are left out.

    Of many arms the first are drawn; the result has all.
    """
    every: defaultdict[str, list[Number]] = defaultdict(list)
    for number in result.numbers:
        if number.name == "mean_dice" and number.value is not None:
            every[number.details["arm"]].append(number)
    points = dict(islice(every.items(), _MOST_ARMS))
    image = Image.new("RGB", _SIZE, "white")
    _Curve(ImageDraw.Draw(image), points).draw()
    write_bytes(path, png_bytes(image))


class _Curve:
    """Where things are, and drawing them."""

    def __init__(self, draw: ImageDraw.ImageDraw, points: dict[str, list[Number]]) -> None:
        self.canvas = draw
        self.points = points
        self.font = ImageFont.load_default(_FONT_PIXELS)
        numbers = [number for series in points.values() for number in series]
        ends = [end for number in numbers for end in (number.interval or (number.value or 0.0,))]
        self.high = min((int(10 * max(ends, default=1.0)) + 1) / 10, 1.0)
        # Below 1 also where all scores are 1: an axis has two ends.
        self.low = min(int(10 * min(ends, default=0.0)) / 10, self.high - 0.1)

    def draw(self) -> None:
        """The frame, then a series an arm."""
        self._frame()
        colours = self._colours()
        for number, (arm, series) in enumerate(self.points.items()):
            middle = (len(self.points) - 1) / 2
            self._series(series, colours[arm], aside=(number - middle) * _STEP_ASIDE)
            self._legend(arm, colours[arm], number)

    def _colours(self) -> dict[str, str]:
        crossed = [arm for arm in self.points if arm not in _COLOURS]
        others = zip(crossed, cycle(_MORE_COLOURS))
        return _COLOURS | dict(others)

    def _frame(self) -> None:
        width, height = _SIZE
        for i in range(_LINES + 1):
            value = self.low + (self.high - self.low) * i / _LINES
            y = self._y(value)
            self.canvas.line((_LEFT, y, width - _RIGHT, y), fill=_PALE)
            self._text(_LEFT - 10, y, f"{value:.2f}", anchor="rm")
        shares = {self._share(number) for series in self.points.values() for number in series}
        for share in sorted(shares):
            self._text(self._x(share), height - _BOTTOM + 10, f"{share:.0%}", anchor="mt")
        middle = (_LEFT + width - _RIGHT) / 2
        self._text(middle, height - 15, "share of the real patients", anchor="mb")
        self._text(_LEFT, _TOP - 15, "mean Dice on held-out patients", anchor="lb")

    def _series(self, series: list[Number], colour: str, aside: float) -> None:
        places = [(self._x(self._share(n)) + aside, n) for n in series]
        spots = [(x, self._y(n.value or 0.0)) for x, n in places]
        if len(spots) > 1:
            self.canvas.line(spots, fill=colour, width=2)
        for (x, y), (_, number) in zip(spots, places, strict=True):
            if number.interval is not None:
                low, high = map(self._y, number.interval)
                self.canvas.line((x, low, x, high), fill=colour)
            box = (x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS)
            self.canvas.ellipse(box, fill=colour)

    def _legend(self, arm: str, colour: str, number: int) -> None:
        x, y = _SIZE[0] - _RIGHT + 30, _TOP + 20 + number * 28
        self.canvas.line((x, y, x + 24, y), fill=colour, width=3)
        self._text(x + 34, y, arm, anchor="lm")

    def _text(self, x: float, y: float, text: str, anchor: str) -> None:
        self.canvas.text((x, y), text, fill=_INK, font=self.font, anchor=anchor)

    def _share(self, number: Number) -> float:
        """Synthetic tiles alone hold no real patients; several sets stand at their shares."""
        arm = number.details["arm"]
        alone = number.details["schedule"] == "alone" and len(self.points[arm]) == 1
        return 0.0 if alone else number.details["real_share"]

    def _x(self, share: float) -> float:
        return _LEFT + 20 + (_SIZE[0] - _RIGHT - _LEFT - 40) * share

    def _y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _SIZE[1] - _BOTTOM - (_SIZE[1] - _BOTTOM - _TOP) * share
