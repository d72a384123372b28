"""Runs the demo's steps one after the other, and says where to look.

Steps whose result is there already are not repeated, so an interrupted demo goes on where it
stopped.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from hpc.errors import HistosynError
from hpc.files import write_text
from hpc.log import on_terminal
from launch.demo.facts import NEXT_STEPS
from launch.demo.forecast import Forecast
from launch.demo.plan import Chapter, Step
from launch.processes import child_answers
from launch.terminal.console import say

_LOOK_SECONDS = 1.0
# Not `histosyn`, which need not be on the path; -P: nothing in the current folder is taken for it.
_HISTOSYN = (sys.executable, "-P", "-m", "histosyn")


def run_demo(chapters: Sequence[Chapter]) -> None:
    """Run all steps, write the pages, say where to look.

    Raises HistosynError if a step fails; the same command goes on from there.
    """
    started = time.monotonic()
    total = sum(len(chapter.steps) for chapter in chapters)
    number = before = 0
    for chapter in chapters:
        for path, text in chapter.given.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
        for step in chapter.steps:
            number += 1
            say(f"\n[{number}/{total}] {step.title}\n  $ {_readable(step)}")
            if step.makes.exists() and not step.again:
                say("  done before")
                before += 1
                continue
            _run(step, Forecast(chapter.run) if chapter.run else None)
    say(f"\n{_ended(time.monotonic() - started, before, total)}")
    for chapter in chapters:
        say(f"Look at  {chapter.page}: {chapter.shows}")
    say(
        f"\nPaint    histosyn paint --demo\n\nWith your own tiles and label maps:\n\n"
        f"{_indented(NEXT_STEPS)}\n\nEvery command explains itself with --help."
    )


def _run(step: Step, forecast: Forecast | None) -> None:
    """Its command, which has this terminal; tells the forecast when it is there.

    A request to stop reaches the command as well: it saves what it has, and the demo ends after it.
    """
    # A thread each: more would wait for one another.
    process = subprocess.Popen(
        (*_HISTOSYN, *step.command), env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    with child_answers(process) as asked:
        while True:
            try:
                code = process.wait(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if news := forecast and forecast.news():
                    # A line of its own, below what a progress bar shows at this moment.
                    say(f"\n{news}" if on_terminal() else news)
    if asked:
        say("demo: interrupted. Run the same command again to go on from here.", stderr=True)
        sys.exit(130)
    if code:
        raise HistosynError(
            f"demo: {step.title}: `histosyn {step.command[0]}` failed, see above. Run the same "
            "command again to go on from here."
        )


def _ended(seconds: float, before: int, steps: int) -> str:
    """How long it took; of a demo that went on, only what was left to do."""
    if not before:
        return f"Done in {seconds:.0f} s."
    return f"Done. {before} of {steps} steps were done before, the rest took {seconds:.0f} s."


def _readable(step: Step) -> str:
    """The command as one would type it in an activated environment."""
    return shlex.join(("histosyn", *step.command))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
