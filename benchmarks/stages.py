"""Benchmarks in stages, of which each does what is missing in the folder OUT."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping

Stage = Callable[[argparse.Namespace], None]


def run_stages(parser: argparse.ArgumentParser, stages: Mapping[str, Stage]) -> None:
    """Those that the command line names, or all. The parser has `out` as a positional argument."""
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(stages))
    options = parser.parse_args()
    if unknown := set(options.stages) - set(stages):
        parser.error(f"no stage is called {', '.join(sorted(unknown))}")
    prepare(options)
    for name in options.stages or stages:
        stages[name](options)


def prepare(options: argparse.Namespace) -> None:
    """The folder OUT, and one thread for each process that will start: more would fight."""
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
