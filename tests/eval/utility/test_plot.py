"""What the learning curve shows, read off what is drawn as a reader would: by axes and legend."""

import re
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from experimenting import outcome, write_experiment
from PIL import ImageDraw

from eval.utility.config import ARMS, read_utility
from eval.utility.plan import Sources, planned_trainings
from eval.utility.plot import draw_curve
from eval.utility.report import report_utility
from launch.cli import main

RIGHT = {"real": 0.7, "augmentation": 0.75, "real+synthetic": 0.82, "synthetic": 0.64}
GAIN = 0.1


class Canvas(ImageDraw.ImageDraw):
    """Draws, and remembers what."""

    def __init__(self, image):
        super().__init__(image)
        self.texts, self.lines, self.dots = [], [], []

    def text(self, xy, text, **options):
        self.texts.append((xy, text))
        super().text(xy, text, **options)

    def line(self, xy, fill, **options):
        self.lines.append((np.array(xy, dtype=float).reshape(-1, 2), fill))
        super().line(xy, fill, **options)

    def ellipse(self, xy, fill, **options):
        self.dots.append((np.array(xy, dtype=float).reshape(2, 2).mean(axis=0), fill))
        super().ellipse(xy, fill, **options)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What an arm's colour stands for: points (share, value), bars (share, low, high), lines."""

    points: list
    bars: list
    lines: list


class Picture:
    """A canvas, read: places become shares and values by the numbers at the axes."""

    def __init__(self, canvas):
        self.texts = [text for _, text in canvas.texts]
        self.canvas = canvas
        self.values = self._axis(r"(\d\.\d\d)", axis=1)
        self.shares = self._axis(r"(\d+)%", axis=0)
        # Right of the curves; beside the name of an arm is a piece of its line.
        self.legend = {text: y for (_, y), text in canvas.texts if text in ARMS}
        self.legend_x = min(x for (x, _), text in canvas.texts if text in ARMS) - 50
        self.colour_of = {
            arm: fill
            for arm, y in self.legend.items()
            for line_P2, fill in canvas.lines
            if self._in_legend(line_P2) and (line_P2[:, 1] == y).all()
        }

    def curve(self, arm):
        colour = self.colour_of[arm]
        bars, lines = [], []
        for line_P2, fill in self.canvas.lines:
            if fill != colour or self._in_legend(line_P2):
                continue
            (share, *_), values = self._read(line_P2).T
            upright = np.ptp(line_P2[:, 0]) == 0
            bars += [(round(share, 1), *values)] if upright else []
            lines += [] if upright else [self._read(line_P2)[:, 1].tolist()]
        dots = [self._read(place[None])[0] for place, fill in self.canvas.dots if fill == colour]
        return Curve(
            points=[(round(share, 1), value) for share, value in dots], bars=bars, lines=lines
        )

    def _in_legend(self, line_P2):
        return line_P2[:, 0].min() > self.legend_x

    def _read(self, places_P2):
        """Shares and values (P, 2)."""
        (x, share), (y, value) = self.shares, self.values
        axes = zip(places_P2.T, (np.polyfit(x, share, 1), np.polyfit(y, value, 1)), strict=True)
        return np.stack([np.polyval(line, places) for places, line in axes], axis=1)

    def _axis(self, pattern, axis):
        """Places and the numbers that stand there."""
        found = [
            (place[axis], float(match[1]))
            for place, text in self.canvas.texts
            if (match := re.fullmatch(pattern, text))
        ]
        places, numbers = np.array(found).T
        return places, numbers / (100 if axis == 0 else 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    write_experiment(folder, arms=str(list(ARMS)).replace("'", '"'))
    return folder


@pytest.fixture
def canvases(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "eval.utility.plot.ImageDraw.Draw", lambda image: drawn.append(Canvas(image)) or drawn[-1]
    )
    return drawn


def made_up(planned):
    right = RIGHT[planned.arm] + GAIN * (planned.share - 1)
    return outcome(planned.arm, planned.seed, right, share=planned.share, luck=0.1)


def scores_of(result):
    scores = [number for number in result.numbers if number.name == "mean_dice"]
    return {(n.details["arm"], n.details["real_share"]): n for n in scores}


def drawn_from(items, config, canvases, path):
    result = report_utility(items, Sources(config), config)
    draw_curve(result, path)
    return result, Picture(canvases[-1])


def test_it_shows_the_numbers_of_the_table(root, canvases, monkeypatch, capsys):
    """The command with trainings made up: what it prints is what it draws."""
    monkeypatch.setattr("eval.utility.trainings.find_outcome", lambda planned, *_: made_up(planned))
    main(["eval", "utility", "--config", str(root / "utility.toml"), "--report"])
    printed = " ".join(capsys.readouterr().out.split())
    picture = Picture(canvases[-1])
    seen = 0
    for arm in ARMS:
        curve = picture.curve(arm)
        for (share, value), (bar_share, low, high) in zip(curve.points, curve.bars, strict=True):
            assert share == bar_share
            assert low < value < high
            assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in printed
            seen += 1
    assert seen == 3 * 2 + 1


def test_every_arm_has_its_line_and_its_name(root, canvases, tmp_path):
    config = read_utility(root / "utility.toml")
    items = [made_up(planned) for planned in planned_trainings(config)]
    result, picture = drawn_from(items, config, canvases, tmp_path / "curve.png")
    scores = scores_of(result)
    assert list(picture.legend) == list(picture.colour_of) == list(ARMS)
    assert len(set(picture.colour_of.values())) == 4
    for arm in ARMS:
        curve = picture.curve(arm)
        # Synthetic tiles alone stand where there are no real patients.
        shares = {0.0: 1.0} if arm == "synthetic" else {0.5: 0.5, 1.0: 1.0}
        numbers = {at: scores[arm, share] for at, share in shares.items()}
        assert curve.points == [(at, pytest.approx(n.value)) for at, n in numbers.items()]
        assert curve.bars == [
            (at, *(pytest.approx(end) for end in n.interval)) for at, n in numbers.items()
        ]
        values = [pytest.approx(n.value) for n in numbers.values()]
        assert curve.lines == ([values] if len(values) > 1 else [])
    assert "share of the real patients" in picture.texts
    assert "mean Dice on held-out patients" in picture.texts


def test_sets_of_each_share_stand_at_their_shares(root, canvases, tmp_path):
    config = read_utility(root / "utility.toml")
    both = replace(config, data=replace(config.data, synthetic=config.data.synthetic * 2))
    arms = product(("real", "synthetic"), (0.5, 1.0), (0, 1))
    items = [outcome(arm, seed, 0.7, share=share, luck=0.1) for arm, share, seed in arms]
    _, picture = drawn_from(items, both, canvases, tmp_path / "curve.png")
    assert [share for share, _ in picture.curve("synthetic").points] == [0.5, 1.0]


def test_a_score_without_interval_has_no_bar(root, canvases, tmp_path):
    config = read_utility(root / "utility.toml")
    items = [
        outcome("real", seed, 0.7 + share / 10, share=share, patients=1)
        for share, seed in product((0.5, 1.0), (0, 1))
    ]
    _, picture = drawn_from(items, config, canvases, tmp_path / "curve.png")
    curve = picture.curve("real")
    assert [value for _, value in curve.points] == pytest.approx([0.75, 0.8])
    assert curve.bars == []


def test_a_perfect_score_has_an_axis_to_stand_on(root, canvases, tmp_path):
    config = read_utility(root / "utility.toml")
    items = [outcome("real", seed, 1.0, share=s) for s, seed in product((0.5, 1.0), (0, 1))]
    _, picture = drawn_from(items, config, canvases, tmp_path / "curve.png")
    assert picture.curve("real").points == [(0.5, pytest.approx(1)), (1.0, pytest.approx(1))]


def test_what_is_undefined_is_not_drawn(root, canvases, tmp_path):
    config = read_utility(root / "utility.toml")
    items = [outcome("real", seed, 0.7, share=s) for s, seed in product((0.5, 1.0), (0, 1))]
    for item in items[:2]:
        item.confusion_UKK[:] = 0
    result, picture = drawn_from(items, config, canvases, tmp_path / "curve.png")
    assert scores_of(result)["real", 0.5].value is None
    assert len(canvases[-1].dots) == 1
    assert "50%" not in picture.texts
