"""A profile of steps: what runs longest on the device, and how long nothing runs there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from gpu_parts.bench import Row

_STEPS = 3
_TOP = 10
# Calls of the driver that start work, and those in which the host waits.
_LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernelEx",
             "cudaGraphLaunch")  # fmt: skip
_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
_LONGEST_NAME = 80


def profiled(step: Callable[[], Any], device: torch.device, *, warm_up: int) -> Iterator[Row]:
    """The ten kernels (on a CPU: operations) that take most of the time of a step, and the rest."""
    on_gpu = device.type == "cuda"
    for _ in range(warm_up):
        step()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as taken:
        for _ in range(_STEPS):
            step()
        if on_gpu:
            torch.cuda.synchronize()
    # Marks that span many kernels, such as those of optimizers, are none themselves.
    events = [event for event in taken.events() if not event.is_user_annotation]
    yield _summary(events) if on_gpu else {"case": "a step on a CPU"}
    seconds: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for event in events:
        if (event.device_type == DeviceType.CUDA) == on_gpu:
            # Of what runs on a CPU, without what it calls.
            own = event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
            seconds[event.name] += own / 1e6 / _STEPS
            times[event.name] += 1
    whole = seconds.total()
    for name, of_it in seconds.most_common(_TOP):
        yield {"case": name[:_LONGEST_NAME], "ms a step": 1000 * of_it, "share": of_it / whole,
               "times a step": times[name] / _STEPS}  # fmt: skip


def _summary(events: Any) -> Row:
    """Kernels and copies on the device as intervals: how long none of them runs."""
    spans = sorted((event.time_range.start, event.time_range.end)
                   for event in events if event.device_type == DeviceType.CUDA)  # fmt: skip
    busy, reached = 0.0, spans[0][0] if spans else 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    whole = reached - spans[0][0] if spans else 0.0
    calls = Counter(event.name for event in events)
    return {"case": "a step", "ms a step": whole / 1000 / _STEPS,
            "idle share": 1 - busy / whole if whole else None,
            "times a step": len(spans) / _STEPS,
            "launches a step": sum(calls[name] for name in _LAUNCHES) / _STEPS,
            "waits a step": sum(calls[name] for name in _WAITS) / _STEPS}  # fmt: skip
