"""What this machine is, and what it can do at best."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import Any

import torch

from gpu_parts.bench import Bench, Row
from gpu_parts.timing import cost_of, matmul_rate
from hpc.precision import computes_bfloat16, device_text, processor

_COPIED_MIB = 1024


def facts(device: torch.device) -> dict[str, Any]:
    """What numbers depend on."""
    found: dict[str, Any] = {
        "device": device_text(device), "processor": _processor(device), "cores": os.cpu_count(),
        "python": platform.python_version(), "torch": str(torch.__version__),
    }  # fmt: skip
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
                  "capability": f"{properties.major}.{properties.minor}",
                  "multiprocessors": properties.multi_processor_count,
                  "memory_gib": round(properties.total_memory / 2**30, 1)}  # fmt: skip
    return found


def _processor(device: torch.device) -> str:
    """Exactly, where it is what computes."""
    return str(processor()) if device.type == "cpu" else platform.machine()


def machine(bench: Bench) -> Iterator[Row]:
    """Rates of a large product and of a copy, against which all other rates are held."""
    yield {"case": "bfloat16 is native", "ok": computes_bfloat16(bench.device)}
    for precision in bench.scale.precisions:
        rate = matmul_rate(bench.device, precision, bench.scale.matmul_side)
        yield {"case": f"product of {precision}, {bench.scale.matmul_side} a side",
               "TFLOP/s": rate / 1e12}  # fmt: skip
    count = (1 if bench.is_toy else _COPIED_MIB) << 18
    source = torch.randn(count, device=bench.device)
    target = torch.empty_like(source)
    cost = cost_of(lambda: target.copy_(source), bench.device, warm_up=3, repeats=10)
    yield {"case": "copy on the device", "GB/s": 8 * count / cost.seconds / 1e9}
    pinned = torch.empty(count, pin_memory=bench.on_gpu)
    cost = cost_of(lambda: target.copy_(pinned, non_blocking=True), bench.device, warm_up=3,
                   repeats=10)  # fmt: skip
    yield {"case": "copy from page-locked memory", "GB/s": 4 * count / cost.seconds / 1e9}
