"""Everything that is to be known of a GPU, in one go: numbers, speed, and what to compute by.

    python benchmarks/gpu.py OUT

takes at most eight minutes on an H100 or H200, in parts of less than a minute each, the most
important ones first. Running it again does what is missing; `--parts NAME ...` does these anew. It
needs no network and writes only into OUT: gpu.json, gpu.md, table_costs.toml (what runs on such a
device are to choose by, see docs/presets.md), recipe.png, log.txt, and what each part gave.

    python benchmarks/gpu.py OUT --toy

tries all of it on tiny networks, on a CPU too. How to carry what it needs to a machine that has
only PyTorch: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

# Less is not worth starting a part for.
_LEAST_SECONDS = 5.0


def main() -> None:
    # Here, because processes that parts start import this file, and need none of it.
    from gpu_parts.bench import FULL, TOY
    from gpu_parts.machine import facts
    from gpu_parts.parts import BY_NAME, PARTS
    from gpu_parts.results import Results
    from gpu_parts.worker import Worker

    given = _options(list(BY_NAME))
    began = time.monotonic()
    scale = TOY if given.toy else FULL
    minutes = given.minutes * scale.patience
    device = given.device or _device(toy=given.toy)
    given.out.mkdir(parents=True, exist_ok=True)
    made_on = {"scale": scale.name} | facts(_as_torch(device))
    results = Results(given.out, made_on)
    worker = Worker(device, scale.name, given.out.resolve(), given.shards)
    command = f"python benchmarks/gpu.py OUT{' --toy' * given.toy}"
    print(f"On {made_on['device']}, PyTorch {made_on['torch']}:", flush=True)
    try:
        for part in PARTS:
            if part.name not in given.parts if given.parts else results.has(part):
                continue
            left = minutes * 60 - (time.monotonic() - began)
            if left < _LEAST_SECONDS:
                print("Time is over; the same command does the rest.")
                break
            done = worker.do(part.name, min(part.seconds * scale.patience, left))
            results.keep(part, done)
            results.write(PARTS, command)
            how = "" if done.error is None else f": {done.error.strip().splitlines()[-1]}"
            print(f"{part.name}, {len(done.rows)} rows, {done.seconds:.1f} s{how}", flush=True)
    finally:
        worker.end()
    json, markdown = results.write(PARTS, command)
    print(f"{json}\n{markdown}")
    if not all(results.has(part) for part in PARTS if part.name in (given.parts or BY_NAME)):
        raise SystemExit(1)


def _options(parts: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--toy", action="store_true", help="tiny networks, to try the code")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: the GPU")
    parser.add_argument("--parts", nargs="+", choices=parts, metavar="PART",
                        help=f"of {', '.join(parts)}")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts together")
    parser.add_argument("--shards", type=Path, help="tissue to train on instead of phantoms")
    return parser.parse_args()


def _device(*, toy: bool) -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if toy:
        return "cpu"
    raise SystemExit("There is no GPU that PyTorch can use. To try the code on the CPU: --toy")


def _as_torch(device: str):
    import torch

    return torch.device(device)


if __name__ == "__main__":
    # Before anything asks PyTorch for threads: the parts' own process inherits it.
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
