"""From the end of a stroke to new pixels: how long, and where the time goes.

    python benchmarks/paint.py MODEL [MODEL ...] --sizes 256 512 --repeats 5

For each model and size: a server as `histosyn paint` starts it, a stroke that changes the map, one
request as the page sends it. Network is the generator; encoding the PNG; the rest is transfer,
waiting and decoding. Medians, and the server's memory after 200 pictures (`--pictures`).
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

from histosyn.model_folder import load_model
from histosyn.paint.easel import Easel
from histosyn.paint.server import build_app
from histosyn.paint.serving import listen_on_port
from histosyn.paint.sitting import Sitting
from histosyn.phantom.data_set import render_phantom

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
        easel = Easel(load_model(path, torch.device("cpu")), name=str(path))
        with _Served(easel) as url:
            for size in options.sizes:
                _report(path, size, _round_trips(url, easel, size, options.repeats))
            before = _resident_mib()
            _round_trips(url, easel, options.sizes[0], options.pictures)
            print(f"memory: {before:.0f} MiB, after {options.pictures} more pictures "
                  f"{_resident_mib():.0f} MiB")  # fmt: skip


class _Served:
    def __init__(self, easel: Easel) -> None:
        self.place = listen_on_port(0, _TOKEN)
        app = build_app(easel, Sitting(Path("nowhere")), {}, token=_TOKEN, hosts=[])
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


def _round_trips(url: str, easel: Easel, size: int, repeats: int) -> list[dict[str, float]]:
    _, labels = render_phantom(0, 0, size)
    random = np.random.default_rng(0)
    found = []
    for _ in range(repeats):
        row, column = random.integers(0, size - 24, 2)
        labels[row : row + 24, column : column + 24] = random.integers(0, len(easel.schema))
        began = time.perf_counter()
        done = _ask(url, labels)
        Image.open(io.BytesIO(base64.b64decode(done["png"]))).load()
        found.append({"round trip": time.perf_counter() - began, **done["seconds"]})
    return found


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
    print(f"| {path.name} | {size} | {median['round trip']:.2f} s | " + " | ".join(shares) + " |")


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE_SIZE_KIB / 1024


if __name__ == "__main__":
    main()
