"""Ways of running the networks, compared on label maps of several kinds, as a table.

"of matmul" is what a way multiplies in matrix products and convolutions, over its time, as a share
of the rate of a large square product of the same precision, which takes its turns beside it. A way
that multiplies less may have the smaller share and be the faster one.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from label_maps import label_maps
from turns import Cost, take_turns

from histosyn.config.networks import GeneratorConfig
from histosyn.config.presets import PRESETS
from histosyn.networks import modulation
from histosyn.networks.levels import LabelPyramid
from histosyn.networks.matmul import product
from hpc.precision import device_text

REFERENCE = "plain float32"
SCENES = ("nuclei-4", "nuclei-11", "regions-4", "noise-4")
HEAD = ("label maps", "channels", "size", "way", "s", "tiles/s", "ratio", "of matmul",
        "peak MiB", "distinct 3x3, 5x5")  # fmt: skip
# Networks alone, with the same losses in every way; the number of channels overrides theirs.
LAYOUTS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    "paper": {name: PRESETS["paper"].settings[name] for name in ("generator", "discriminator")},
}
# The side of the product that says what the machine can do.
MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}


def options(description: str, ways: Mapping[str, Any], size: int) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--size", type=int, nargs="+", default=[size])
    parser.add_argument("--scenes", nargs="*", default=list(SCENES), metavar="KIND-CLASSES")
    parser.add_argument("--real", nargs="*", default=[], metavar="FOLDER:SCHEMA-CLASSES")
    parser.add_argument("--ways", nargs="*", default=list(ways), choices=list(ways), metavar="WAY",
                        help=f"beside {REFERENCE}: {', '.join(ways)}")  # fmt: skip
    parser.add_argument("--layout", choices=LAYOUTS, default="default",
                        help="of both networks: the default one, or the original's")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="after the first, which warms up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    return parser.parse_args()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A way, and what it works on: label maps of a kind, networks of so many channels."""

    way: str
    layout: str
    channels: int
    size: int
    kind: str
    classes: int
    threads: int

    def prepare(self) -> None:
        """The process is for this way alone: threads, seed, and γ and β everywhere if dense."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
        if self.way.startswith("dense"):
            modulation.Spade.repeats_enough = lambda *_: False  # type: ignore[method-assign]

    def labels(self, tiles: int, device: torch.device) -> torch.Tensor:
        return label_maps(self.kind, self.classes, tiles, self.size).to(device)

    def settings(self, **generator: Any) -> dict[str, dict[str, Any]]:
        """The sections of a configuration."""
        sections = {name: dict(section) for name, section in LAYOUTS[self.layout].items()}
        # The function of the papers, unless the way is another one.
        named = {"pixel_noise": False} | generator
        given = {"generator": named | {"base_channels": self.channels},
                 "discriminator": {"base_channels": self.channels}}  # fmt: skip
        if "grid_size" in sections.get("generator", {}):
            given["generator"]["grid_size"] = self.size >> sections["generator"]["upsamplings"]
        for name, settings in given.items():
            sections[name] = sections.get(name, {}) | settings
        return sections


def print_table(make: Callable[..., Any], given: argparse.Namespace, tiles: int) -> None:
    """`make(case, device)` gives work that does so many tiles."""
    print(f"On {device_text(torch.device(given.device))}, {given.threads} threads:\n", flush=True)
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    scenes = [scene.rsplit("-", 1) for scene in (*given.scenes, *given.real)]
    for channels, size, (kind, k) in itertools.product(given.channels, given.size, scenes):
        classes = int(k)
        ways = {
            way: (
                Case(
                    way=way,
                    layout=given.layout,
                    channels=channels,
                    size=size,
                    kind=kind,
                    classes=classes,
                    threads=given.threads,
                ),
            )
            for way in (REFERENCE, *given.ways)
        }
        # Where bfloat16 is emulated its product takes minutes: only if it is asked for.
        halves = any("bfloat16" in way for way in given.ways)
        named = ("float32", "bfloat16") if halves else ("float32",)
        rates = {f"matmul {name}": (name, given.threads) for name in named}
        costs = take_turns(
            functools.partial(_either, make), ways | rates, given.device, given.rounds
        )
        name = Path(kind.split(":")[0]).parent.name if ":" in kind else kind
        facts = [f"{name}, {classes} classes", channels, size]
        _report(facts, costs, tiles, shares(label_maps(kind, classes, tiles, size), classes))


def _either(make: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """The work of a way, or the product that says what the machine can do."""
    return make(*arguments) if isinstance(arguments[0], Case) else _matmul(*arguments)


def _matmul(precision: str, threads: int, device: torch.device) -> Callable[[], Any]:
    torch.set_num_threads(threads)
    side = MATMUL_SIDE[device.type]
    rows, weight = torch.randn(2, side, side, device=device).to(getattr(torch, precision))
    return lambda: product(rows, weight)


def _report(facts: list[object], costs: dict[str, Cost], tiles: int, distinct: str) -> None:
    reference = costs[REFERENCE].seconds
    for way, cost in costs.items():
        if way.startswith("matmul"):
            continue
        rate = costs["matmul bfloat16" if "bfloat16" in way else "matmul float32"]
        share = (cost.operations / cost.seconds) / (rate.operations / rate.seconds)
        cells = [*facts, way, f"{cost.seconds:.3g}", f"{tiles / cost.seconds:.3g}",
                 f"{reference / cost.seconds:.1f}", f"{share:.0%}", f"{cost.peak_mib:.0f}",
                 distinct]  # fmt: skip
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        facts, distinct = [""] * len(facts), ""


def shares(labels_NHW: torch.Tensor, classes: int) -> str:
    """Distinct 3x3 and 5x5 neighbourhoods among the pixels, coarsest resolution first."""
    levels = LabelPyramid(labels_NHW, GeneratorConfig().stride, classes).levels
    small, large = zip(*(level.patterns.shares for level in levels), strict=True)
    return ", ".join(" ".join(f"{share:.2f}" for share in of_all) for of_all in (small, large))
