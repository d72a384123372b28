"""All plots of a report, in the order of the document."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from eval.report.drawing import Figure, can_draw
from eval.report.figures_of_readers import agreement_figure, discrimination_figures
from eval.report.figures_of_tissue import (
    c2st_figure,
    faithfulness_figure,
    labels_figure,
    memorization_figure,
    spectrum_figure,
    stain_figure,
    training_figure,
)
from eval.report.figures_of_use import utility_figure
from eval.report.soundness import ODD
from eval.report.sources import Sources

_DRAWS = {
    "discrimination": discrimination_figures,
    "agreement": agreement_figure,
    "fid": spectrum_figure,
    "stain": stain_figure,
    "memorization": memorization_figure,
    "labels": labels_figure,
    "faithfulness": faithfulness_figure,
    "utility": utility_figure,
}


def figures_of(sources: Sources, notices: list[str]) -> list[Figure]:
    """The plots of what was found; none without matplotlib. What cannot be drawn is a notice."""
    if not can_draw():
        return []
    readers = tuple(_means_of_readers(sources))
    found: list[Iterator[Figure]] = [
        draw(one) for kind, draw in _DRAWS.items() for one in sources.findings.of(kind)
    ]
    found[2:2] = [c2st_figure(one, readers) for one in sources.findings.of("c2st")]
    if sources.run is not None:
        found.append(training_figure(sources.run))
    return list(chain.from_iterable(_drawn(figures, notices) for figures in found))


def _drawn(figures: Iterator[Figure], notices: list[str]) -> list[Figure]:
    try:
        return list(figures)
    except ODD as error:
        notices.append(f"A plot is missing, because a result holds odd values ({error}).")
        return []


def _means_of_readers(sources: Sources) -> Iterator[tuple[Any, ...]]:
    """People beside the machine: mean AUC, interval, and how it is called."""
    for one in sources.findings.of("discrimination"):
        for number in one.numbers:
            if (
                number.name == "auc"
                and number.details.get("reader") == "mean of readers"
                and number.value is not None
            ):
                label = f"readers, {number.details.get('block')} block"
                yield number.value, number.interval, label
