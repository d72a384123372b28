"""Rates of convolutions, forward and each gradient, in the forms that this project computes.

    python benchmarks/convolutions.py [--precision bfloat16] [--rounds 5]

GFLOP/s of CPU time on one thread, features in channels_last, two tiles, the least of some rounds in
turns; copies are counted. `auto` is what a run would choose here.
"""

from __future__ import annotations

import argparse
import time

import torch

from histosyn.networks.convolutions import FORMS, Convolution, computed_as
from histosyn.networks.cpu_choice import choice_text, fastest
from hpc.precision import device_text

# Channels in and out, pixels a side, pixels a side of the filter, stride.
LAYERS = (
    (1024, 1024, 8, 3, 1), (1024, 512, 16, 3, 1), (512, 256, 32, 3, 1), (256, 128, 64, 3, 1),
    (128, 64, 128, 3, 1), (64, 64, 256, 3, 1), (64, 128, 65, 4, 2),
)  # fmt: skip
TILES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rounds", type=int, default=5, help="after the first, which warms up")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    print(f"On {device_text(cpu)}, auto is {choice_text(given.precision)}:\n")
    forms = ("plain", fastest(given.precision).convolutions)
    if forms[0] == forms[1]:
        forms = FORMS
    head = [f"{what}, {form}" for what in ("forward", "input", "weight") for form in forms]
    print("| convolution | " + " | ".join(head) + " |\n" + "|---" * (len(head) + 1) + "|")
    for layer in LAYERS:
        rates = [rate(layer, what, forms, given) for what in range(3)]
        cells = [f"{each:.0f}" for of_forms in rates for each in of_forms]
        print(f"| {name(*layer)} | " + " | ".join(cells) + " |", flush=True)


def name(inner: int, outer: int, side: int, kernel: int, stride: int) -> str:
    strided = f" stride {stride}" if stride > 1 else ""
    return f"{inner} → {outer}, {side}×{side}, {kernel}×{kernel}{strided}"


def rate(
    layer: tuple[int, int, int, int, int], what: int, forms: tuple[str, ...],
    given: argparse.Namespace,
) -> list[float]:  # fmt: skip
    """GFLOP/s of each form; `what` is 0 forward, 1 gradient of the input, 2 of the weight."""
    inner, outer, side, kernel, stride = layer
    dtype = getattr(torch, given.precision)
    module = Convolution(inner, outer, kernel, stride, padding=kernel // 2, bias=False).to(dtype)
    x = torch.randn(TILES, inner, side, side).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(given.rounds + 1):
        for form, times in seconds.items():
            with computed_as(form):
                started = time.process_time()
                y = module(x)
                if what:
                    dy = torch.ones_like(y)
                    started = time.process_time()
                    torch.autograd.grad(y, [x, module.weight][what - 1], dy)
                times.append(time.process_time() - started)
    operations = 2 * y.numel() * inner * kernel**2
    return [operations / min(times[1:]) / 1e9 for times in seconds.values()]


if __name__ == "__main__":
    main()
