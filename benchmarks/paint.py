"""From the end of a stroke to new pixels: how long, and where the time goes.

    ONEDNN_PRIMITIVE_CACHE_CAPACITY=32 python benchmarks/paint.py MODEL ... --sizes 256 512 1024

For each model and size: a server as `histosyn paint` starts it, a stroke that changes the map, one
request as the page sends it. Network is the generator; encoding the PNG; the rest is transfer,
waiting and decoding. Medians, and the server's memory after 200 pictures (`--pictures`). Then, in
turns and without a server: the network for a stroke and for a re-rolled area of 24 x 24 pixels,
computed whole and only where it can reach.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import statistics
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import torch
import uvicorn
from PIL import Image

from histosyn.models.folder import Model, load_model
from histosyn.paint.address import listen_on_port
from histosyn.paint.renderer import Renderer
from histosyn.paint.server import build_app
from histosyn.paint.session_folder import SessionFolder
from histosyn.phantom.data_set import render_phantom
from histosyn.synthesis.activation_cache import ActivationCache
from histosyn.synthesis.folder import synthesize_painted
from histosyn.synthesis.rerolls import Rerolls

_TOKEN = "benchmark"
_PAGE_SIZE_KIB = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=200)
    options = parser.parse_args()
    print("| model | size | round trip | network | PNG | rest |\n|---|---|---|---|---|---|")
    for path in options.models:
        renderer = Renderer(load_model(path, torch.device("cpu")), name=str(path))
        with _Served(renderer) as url:
            for size in options.sizes:
                _report(path, size, _round_trips(url, renderer, size, options.repeats))
            before = _resident_mib()
            _round_trips(url, renderer, options.sizes[0], options.pictures)
            print(f"memory: {before:.0f} MiB, after {options.pictures} more pictures "
                  f"{_resident_mib():.0f} MiB")  # fmt: skip
    print("| model | size | edit | whole | where it reaches | ratio |\n|---|---|---|---|---|---|")
    for path in options.models:
        model = load_model(path, torch.device("cpu"))
        for size in options.sizes:
            for edit in ("stroke", "re-rolled area"):
                _report_edit(path, model, size, edit, options.repeats)


class _Served:
    def __init__(self, renderer: Renderer) -> None:
        self.place = listen_on_port(0, _TOKEN)
        app = build_app(renderer, SessionFolder(Path("nowhere")), {}, token=_TOKEN, hosts=[])
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self.server.serve(sockets=[self.place.socket]))
        )

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        assert self.place.url is not None
        return self.place.url.partition("#")[0]

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


def _round_trips(url: str, renderer: Renderer, size: int, repeats: int) -> list[dict[str, float]]:
    _, labels = render_phantom(0, 0, size)
    random = np.random.default_rng(0)
    found = []
    for _ in range(repeats):
        row, column = random.integers(0, size - 24, 2)
        labels[row : row + 24, column : column + 24] = random.integers(0, len(renderer.schema))
        began = time.perf_counter()
        done = _ask(url, labels)
        Image.open(io.BytesIO(base64.b64decode(done["png"]))).load()
        found.append({"round trip": time.perf_counter() - began, **done["seconds"]})
    return found


def _report_edit(path: Path, model: Model, size: int, edit: str, repeats: int) -> None:
    random = np.random.default_rng(0)
    _, labels = render_phantom(0, 0, size)
    areas, memory = np.zeros_like(labels), ActivationCache()
    seeds: list[int] = []

    def timed(memory: ActivationCache | None) -> float:
        began = time.perf_counter()
        rerolls = Rerolls(areas_HW=areas, seeds=tuple(seeds))
        synthesize_painted(model, labels, 0, rerolls, cache=memory)
        return time.perf_counter() - began

    timed(memory)
    whole, local = [], []
    for number in range(1, repeats + 1):
        row, column = random.integers(0, size - 24, 2)
        part = np.s_[row : row + 24, column : column + 24]
        if edit == "stroke":
            labels[part] = (labels[part] + 1) % len(model.facts.schema)
        else:
            # The area before it gets the image's noise back, so that there is one at a time.
            areas[:], seeds = 0, [number]
            areas[part] = 1
        local.append(timed(memory))
        whole.append(timed(None))
    seconds = [statistics.median(each) for each in (whole, local)]
    print(f"| {_name(path)} | {size} | {edit} | {seconds[0]:.2f} s | {seconds[1]:.2f} s | "
          f"{seconds[0] / seconds[1]:.1f} |")  # fmt: skip


def _ask(url: str, labels: np.ndarray) -> dict:
    height, width = labels.shape
    request = Request(
        url + "api/synthesize",
        data=labels.tobytes() + bytes(labels.size),
        headers={
            "Content-Type": "application/octet-stream",
            "X-Histosyn-Token": _TOKEN,
            "X-Histosyn-Size": f"{width}x{height}",
            "X-Histosyn-Seeds": "0",
        },
    )
    with urlopen(request) as answer:
        return json.loads(answer.read().splitlines()[-1])


def _report(path: Path, size: int, found: list[dict[str, float]]) -> None:
    median = {name: statistics.median(each[name] for each in found) for name in found[0]}
    rest = median["round trip"] - median["network"] - median["encoding"]
    shares = [
        f"{part / median['round trip']:.0%}"
        for part in (median["network"], median["encoding"], rest)
    ]
    print(f"| {_name(path)} | {size} | {median['round trip']:.2f} s | " + " | ".join(shares) + " |")


def _name(path: Path) -> str:
    return path.parent.name if path.name == "model" else path.name


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE_SIZE_KIB / 1024


if __name__ == "__main__":
    main()
