"""Curves of several runs in one picture: what their `metrics.jsonl` and `spectra.jsonl` have.

Drawn by matplotlib, the extra `report`. A panel for each number, a line for each run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpc.errors import InputError
from hpc.extras import missing_extra
from hpc.files import atomic_file
from hpc.log import RecordsFile

SUFFIXES = (".svg", ".png")
# What of the reports is worth a curve; of spectra all are, where a value of 1 is real tissue's.
_SHOWN = ("loss/", "discriminator_accuracy", "gradient_norm/")
_SPECTRA = "spectra.jsonl"
_COLUMNS = 3
_PANEL_INCHES = (4.2, 2.6)
# Told apart also by who sees no difference of red and green (Okabe & Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
_STYLES = ("-", "--", ":", "-.")

Curve = tuple[list[int], list[float]]


def check_plot(path: Path | None) -> None:
    """Raise InputError for another kind of file than SVG or PNG, and without matplotlib."""
    if path is None:
        return
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--plot {path} must end in .svg or .png.")
    if find_spec("matplotlib") is None:
        raise missing_extra("status --plot", "matplotlib", "report")


def draw_runs(runs: Sequence[Path], path: Path) -> None:
    """Write the picture. Raises InputError if no run has reported anything."""
    curves = {folder: curves_of(folder) for folder in runs}
    names = list(dict.fromkeys(name for found in curves.values() for name in found))
    if not names:
        raise InputError(
            f"None of {', '.join(map(str, runs))} has reports in metrics.jsonl yet, so there is "
            "nothing to draw. Wait for the first report."
        )
    from matplotlib import rc_context

    kind = path.suffix[1:].lower()
    # The same curves make the same bytes.
    with rc_context({"svg.hashsalt": "histosyn"}), atomic_file(path) as file:
        dated = {"Date": None} if kind == "svg" else {}
        _figure(names, curves).savefig(file, format=kind, metadata=dated)


def curves_of(folder: Path) -> dict[str, Curve]:
    """Of each number that is drawn: its steps and its values; gaps are NaN."""
    found: dict[str, Curve] = {}
    for file, kept in (("metrics.jsonl", _SHOWN), (_SPECTRA, ("",))):
        for record in RecordsFile(folder / file).look().records:
            for name, value in record.items():
                if name == "step" or not name.startswith(kept):
                    continue
                label = f"{name}, synthetic / real" if file == _SPECTRA else name
                steps, values = found.setdefault(label, ([], []))
                steps.append(record["step"])
                values.append(float(value) if isinstance(value, int | float) else math.nan)
    return {name: curve for name, curve in found.items() if not all(map(math.isnan, curve[1]))}


def _figure(names: Sequence[str], curves: dict[Path, dict[str, Curve]]) -> Any:
    from matplotlib.figure import Figure

    rows = -(-len(names) // _COLUMNS)
    columns = min(len(names), _COLUMNS)
    size = (columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1] + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for name, axes in zip(names, panels, strict=False):
        _panel(axes, name, curves)
    for axes in list(panels):
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
    return figure


def _panel(axes: Any, name: str, curves: dict[Path, dict[str, Curve]]) -> None:
    axes.set_title(name, fontsize=10, loc="left")
    for number, (folder, found) in enumerate(curves.items()):
        steps, values = found.get(name, ([], []))
        axes.plot(
            steps, values, _STYLES[number // len(_COLOURS) % len(_STYLES)], linewidth=1.2,
            color=_COLOURS[number % len(_COLOURS)], label=str(folder),
        )  # fmt: skip
    if name.endswith("synthetic / real"):
        axes.axhline(1, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("step", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
