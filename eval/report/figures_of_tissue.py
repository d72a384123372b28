"""Plots of the training, of spectra, classifiers, stain, copies and faithfulness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eval.report.claims_of_tissue import range_of
from eval.report.drawing import ARMS, FLOOR, OTHER, REAL, SYNTHETIC, Figure, drawn, error_bar
from eval.report.numbers import digits
from eval.report.results_files import Finding
from eval.report.run_facts import RunFacts

_FLOOR_NAME = "real_versus_real_floor"
_LOSS = "loss/"
_SCALES = (1, 2, 4, 8)


def training_figure(run: RunFacts) -> Iterator[Figure]:
    """Losses over the training."""
    names = sorted({name for report in run.metrics for name in report if name.startswith(_LOSS)})
    steps = [report["step"] for report in run.metrics if "step" in report]
    if not names or len(steps) < 2:
        return

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for name in names:
            points = [
                (report["step"], report[name])
                for report in run.metrics
                if isinstance(report.get(name), (int, float)) and "step" in report
            ]
            title = name.removeprefix(_LOSS).replace("_", " ").replace("/", ", ")
            axes.plot(*zip(*points, strict=True), linewidth=1.3, label=title)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

    last = {
        name: next((r[name] for r in reversed(run.metrics) if name in r), None) for name in names
    }
    told = "; ".join(f"{name.removeprefix(_LOSS)} {digits(value)}" for name, value in last.items())
    yield drawn(
        draw,
        title="The training",
        caption=f"Losses of {run.name}, as reported. An adversarial loss that stays is no failure.",
        alt=f"Line plot of losses over steps {steps[0]} to {steps[-1]}; at the end {told}.",
    )


def spectrum_figure(one: Finding) -> Iterator[Figure]:
    """Energy by frequency, synthetic over real."""
    found = [number for number in one.numbers if number.name.startswith("spectrum_")
             and not number.name.endswith(_FLOOR_NAME) and number.value is not None]  # fmt: skip
    if not found:
        return
    bands = [number.name.removeprefix("spectrum_") for number in found]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, number in enumerate(found):
            ends = range_of(one.named(f"{number.name}_{_FLOOR_NAME}"))
            if ends is not None:
                axes.fill_between([place - 0.35, place + 0.35], *ends, color=FLOOR)
            error_bar(axes, place, number.value or 0, number.interval, SYNTHETIC, horizontal=False)
        axes.axhline(1, color=REAL, linewidth=0.8, linestyle="--")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(range(len(bands)), bands, rotation=45, ha="right", fontsize=8)
        axes.set_xlabel("cycles a pixel: coarse to fine")
        axes.set_ylabel("energy, synthetic over real")

    values = [number.value for number in found if number.value is not None]
    yield drawn(
        draw,
        title="Energy by frequency",
        caption="1 (dashed): as much as in real tissue. Below 1 at the right: blurred; above: "
        "grain. Grey: halves of the real tiles against each other. Bars: 95 % intervals.",
        alt=f"Ratio of energies in {len(found)} bands of frequency, from {digits(min(values))} to "
        f"{digits(max(values))}.",
    )


def c2st_figure(one: Finding, readers: tuple[Any, ...] = ()) -> Iterator[Figure]:
    """The area under the curve at each scale; `readers` are means of people to stand beside."""
    rows = {kind: [(scale, one.named(f"auc_{kind}_scale_{scale}")) for scale in _SCALES]
            for kind in ("network", "texture")}  # fmt: skip
    known = {kind: [(scale, number) for scale, number in found
                    if number is not None and number.value is not None]
             for kind, found in rows.items()}  # fmt: skip
    if not any(known.values()):
        return

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for shift, (kind, colour) in enumerate((("network", SYNTHETIC), ("texture", OTHER))):
            for scale, number in known[kind]:
                label = f"classifier on {kind} features" if scale == known[kind][0][0] else None
                error_bar(axes, _SCALES.index(scale) + 0.12 * shift, number.value or 0,
                          number.interval, colour, horizontal=False, label=label)  # fmt: skip
        for place, (value, ends, label) in enumerate(readers, len(_SCALES)):
            error_bar(axes, place, value, ends, REAL, marker="s", horizontal=False, label=label)
        axes.axhline(0.5, color=REAL, linewidth=0.8, linestyle="--")
        axes.set_ylim(min(0.3, axes.get_ylim()[0]), 1.03)
        names = ["full size", "1/2", "1/4", "1/8", *(["readers"] * len(readers))]
        axes.set_xticks(range(len(names)), names)
        axes.set_ylabel("AUC")
        axes.legend(fontsize=8, loc="lower left")

    told = "; ".join(f"{kind} at 1/{scale} {digits(number.value)}"
                     for kind, found in known.items() for scale, number in found)  # fmt: skip
    yield drawn(
        draw,
        title="Told apart by a machine, scale by scale",
        caption="0.5 (dashed): cannot tell; 1: tells every tile. At full size a classifier tells "
        "almost any two sets apart. Bars: 95 % intervals over patients.",
        alt=f"Areas under the ROC curve: {told}.",
    )


def stain_figure(one: Finding) -> Iterator[Figure]:
    """Each tile by its mean hematoxylin and eosin."""
    values = one.tables.get("values")
    if not isinstance(values, dict) or not all(role in values for role in ("real", "synthetic")):
        return

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for role, marker in (("real", "o"), ("synthetic", "^")):
            side = values[role]
            style = {"color": ARMS[role], "markersize": 4, "alpha": 0.6, "linestyle": "none"}
            label = f"{role} ({len(side['eosin'])})"
            axes.plot(side["hematoxylin"], side["eosin"], marker, label=label, **style)
        axes.set_xlabel("hematoxylin, mean optical density of the tile")
        axes.set_ylabel("eosin")
        axes.legend(fontsize=8)

    means = {role: {stain: digits(float(np.mean(found))) for stain, found in side.items() if found}
             for role, side in values.items()}  # fmt: skip
    yield drawn(
        draw,
        title="Stain of each tile",
        caption="Mean optical densities over tissue, by colour deconvolution (Ruifrok & Johnston "
        "2001). A generator with one stain is one small cloud.",
        alt=f"Scatter plot of hematoxylin and eosin; means {means}.".replace("'", ""),
        height=3.4,
    )


def memorization_figure(one: Finding) -> Iterator[Figure]:
    """Cumulative distances to the nearest training tile."""
    distances = one.tables.get("distances")
    if not isinstance(distances, dict):
        return

    def draw(figure: Any) -> None:
        for axes, (space, sides) in zip(
            np.atleast_1d(figure.subplots(1, len(distances))), distances.items(), strict=True
        ):
            for role, found in sides.items():
                values = np.sort(np.array(found))
                shares = np.arange(1, len(values) + 1) / len(values)
                style = "-" if role == "synthetic" else "--"
                axes.step(values, shares, style, where="post", color=ARMS[role],
                          label=role.replace("_", "-"))  # fmt: skip
            axes.set_xlim(left=0)
            axes.set_title(f"by {space}")
            axes.set_xlabel("distance")
        figure.axes[0].set_ylabel("share of tiles within it")
        figure.axes[0].legend(fontsize=8)

    yield drawn(
        draw,
        title="Distance to the nearest training tile",
        caption="Synthetic tiles (line) and real ones that were held out (dashed). A line that "
        "begins further left than the dashed one has tiles that are nearer than unseen tissue.",
        alt="Cumulative shares of tiles by distance to the nearest training tile, for synthetic "
        "and held-out tiles.",
    )


def faithfulness_figure(one: Finding) -> Iterator[Figure]:
    """Dice of each class and side."""
    found = [number for number in one.numbers if number.name == "dice" and number.value is not None
             and " - " not in str(number.details.get("side"))]  # fmt: skip
    if not found:
        return
    classes = list(dict.fromkeys(str(number.details.get("class")) for number in found))
    sides = list(dict.fromkeys(str(number.details.get("side")) for number in found))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number in found:
            side = str(number.details.get("side"))
            place = classes.index(str(number.details.get("class"))) + 0.22 * sides.index(side)
            colour = ARMS.get(side.split()[0], OTHER)
            label = (
                side if number is next(n for n in found if n.details.get("side") == side) else None
            )
            error_bar(axes, place, number.value or 0, number.interval, colour, label=label)
        axes.set_yticks(range(len(classes)), classes)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("Dice")
        axes.legend(fontsize=8)

    yield drawn(
        draw,
        title="Tissue where the label map asked for it",
        caption="Dice of a segmenter's reading with the label map, by class. Bars: 95 % intervals.",
        alt="; ".join(f"{n.details.get('class')}, {n.details.get('side')}: {digits(n.value)}"
                      for n in found),
        height=1.2 + 0.45 * len(classes),
    )  # fmt: skip


def labels_figure(one: Finding) -> Iterator[Figure]:
    """Distances of new label maps over what halves of the real ones have among themselves."""
    found = []
    for number in one.numbers:
        floor = number.details.get("floor")
        if number.value is not None and isinstance(floor, dict) and floor["range"][1] > 0:
            found.append((number, floor["range"]))
    if not found:
        return

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, (number, (low, high)) in enumerate(found):
            ends = None if number.interval is None else tuple(e / high for e in number.interval)
            axes.fill_between([low / high, 1.0], place - 0.35, place + 0.35, color=FLOOR)
            error_bar(axes, place, (number.value or 0) / high, ends, SYNTHETIC)
        axes.axvline(1, color=REAL, linewidth=0.8, linestyle="--")
        names = [number.name.replace("_", " ", 1) for number, _ in found]
        axes.set_yticks(range(len(found)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("distance, over the largest between halves of the real maps")

    beyond = sum((number.value or 0) > high for number, (_, high) in found)
    yield drawn(
        draw,
        title="New label maps beside real ones",
        caption="1 (dashed): the largest distance between halves of the real label maps; grey: all "
        "of these. Beyond it new maps differ from real ones. Bars: 95 % intervals.",
        alt=f"{len(found)} distances of label maps, {beyond} of them beyond the real-versus-real "
        "floor.",
    )
