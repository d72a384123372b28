"""What `histosyn study` tells on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from launch.terminal.console import console
from launch.terminal.numbers import plain_table

if TYPE_CHECKING:
    from eval.discrimination.planning import Planned
    from eval.discrimination.simulated import Readers
    from eval.study.design import Design
    from eval.study.making import Made
    from eval.study.reading import ReadStudy


def show_made(made: Made, design: Design) -> None:
    """Print what a study consists of, what separates its arms, and what to do next."""
    out = console()
    out.print(f"Study {made.study} in {made.out}")
    table = plain_table("What tells the arms apart, beside tissue")
    for title in ("property", "real", "synthetic", "AUC", "p"):
        table.add_column(title, justify="left" if title == "property" else "right")
    for one in made.separation.properties:
        cells = (
            one.name,
            f"{one.real:.4g}",
            f"{one.synthetic:.4g}",
            f"{one.auc:.2f}",
            f"{one.p:.2g}",
        )
        table.add_row(*cells, style="bold" if one.tells else "")
    out.print(table)
    for warning in made.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))
    out.print(
        f"1. Keep {made.out / 'coordinator'} to yourself; put protocol.json where it gets a date "
        "(a registry, a repository, a mail to your co-authors)."
    )
    out.print(
        f"2. Give each reader one file of {made.out / 'readers'}: {made.reader_files[0]}, ... They "
        "open it in a browser and send back what it exports."
    )
    step = 3
    if design.informed:
        out.print(
            f"{step}. When the answers are back, give out coordinator/feedback.html and the files "
            f"of {made.out / 'readers-second-part'}."
        )
        step += 1
    out.print(f"{step}. histosyn study read ANSWERS {made.out / 'coordinator' / 'key.json'}")


def show_read(found: ReadStudy) -> None:
    """Print who has finished, what could not be used, and what was written."""
    out, merged = console(), found.merged
    table = plain_table(f"Study {found.study}: {len(merged.files)} files of answers")
    for title in ("reader", "block", "answered", "median seconds", ""):
        table.add_column(
            title, justify="right" if title in ("answered", "median seconds") else "left"
        )
    for one in merged.standings:
        seconds = "" if one.median_seconds is None else f"{one.median_seconds:.1f}"
        cells = (one.reader, one.block, f"{one.complete} of {one.asked}", seconds, one.state)
        table.add_row(*cells, style="" if one.finished else "bold")
    out.print(table)
    if waiting := [f"{one.reader} ({one.block})" for one in merged.standings if not one.finished]:
        out.print(f"Not finished: {', '.join(waiting)}.")
    for note in merged.notes:
        out.print(note)
    for title, lines in (("problem: ", merged.faults), ("not as planned: ", found.deviations)):
        for line in lines:
            out.print(Text(title, style="yellow").append(line, style="default"))
    out.print(f"In {found.out}: {', '.join(found.tables)}.")


def show_plan(rows: list[Planned], outcome: str, margin: float, population: Readers) -> None:
    """Print what each size of study would give."""
    out = console()
    table = plain_table(f"{outcome}, margin {margin:g}: mean of readers, readers and images random")
    for title in ("readers", "images", "95 % interval", "power", "false", "coverage"):
        table.add_column(title, justify="right")
    for one in rows:
        cells = (f"± {one.half_width:.3f}", f"{one.power:.0%}", f"{one.false:.1%}",
                 f"{one.coverage:.0%}")  # fmt: skip
        table.add_row(str(one.readers), str(one.images), *cells)
    out.print(table)
    out.print(
        f"Power: readers cannot tell (d' 0 on the average, {population.dprime_spread:g} between "
        "readers), and the study shows it. False: they are a margin better than chance, and it "
        f"says equivalent (5 % at most). {rows[0].studies} simulated studies a row, "
        f"{population.shared:g} of the variance shared by readers."
    )
