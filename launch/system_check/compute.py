"""Checks of what computes: torch, the processor and its cores, the GPUs."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.errors import HistosynError
from launch.system_check.outcome import Outcome, absent, failure, first_line, ok, warning

if TYPE_CHECKING:
    import torch

_DRIVER_FILE = Path("/proc/driver/nvidia/version")
_SIDE = 256
_KERNELS = "ATEN_CPU_CAPABILITY"
_GIB = 1 << 30
_SEVERITY = ("ok", "warning", "error")


def torch_build() -> Outcome:
    """Version of torch and what it was built for."""
    import torch

    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
    return ok(f"torch {torch.__version__}, built for {built_for}")


def processor() -> Outcome:
    """What the processor can do, what torch makes of it, and what precision `auto` is on it."""
    import torch

    from hpc import precision

    found = precision.processor()
    auto = "bfloat16" if found.native_bfloat16 else "float32"
    lacks = f"; no {', no '.join(found.lacks)}" if found.lacks else ""
    detail = (
        f"{found.model}: {', '.join(found.instructions) or 'older than all of these'}{lacks}\n"
        f"torch computes with {torch.backends.cpu.get_cpu_capability()}, precision auto is {auto}"
    )
    caps = [cap for cap in (found.cap, _setting(_KERNELS)) if cap]
    if caps:
        return warning(
            f"{detail}, held by {' and '.join(caps)}",
            "Unset what holds torch to older instructions, unless that is wanted.",
        )
    return ok(detail)


def choices() -> Outcome:
    """What a training that leaves it open computes with: measured now, if it never was."""
    from histosyn.networks.cpu_choice import choice_text
    from hpc.precision import processor

    found = [choice_text("float32")]
    if processor().native_bfloat16:
        found.append(choice_text("bfloat16"))
    return ok("training computes with " + "\nand with ".join(found))


def cores() -> Outcome:
    """Cores this process may use against the threads that torch starts."""
    import torch

    from hpc.parallel import usable_cores

    usable, threads = usable_cores(), torch.get_num_threads()
    detail = f"{usable} of {os.cpu_count()} cores usable, {threads} threads of torch"
    if threads > usable:
        return warning(
            detail,
            f"More threads than cores hinder each other: ask for more cores, or set "
            f"OMP_NUM_THREADS={usable}.",
        )
    return ok(detail)


def gpus() -> Outcome:
    """Each GPU's name and memory, and whether it multiplies."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        return _no_gpu([first_line(str(each.message)) for each in caught])
    found = [_look_at(torch.device("cuda", index)) for index in range(torch.cuda.device_count())]
    worst = max(found, key=lambda outcome: _SEVERITY.index(outcome.status))
    details = [outcome.detail for outcome in found]
    if driver := _driver():
        details.append(driver)
    return Outcome(status=worst.status, detail="\n".join(details), remedy=worst.remedy)


def nccl() -> Outcome:
    """What processes on GPUs talk through."""
    import torch
    from torch import distributed

    if not torch.cuda.is_available():
        return absent("no GPU that could use it", "Processes on CPUs talk through gloo.")
    if not distributed.is_nccl_available():
        return failure(
            f"torch {torch.__version__} comes without NCCL", "Install a build of torch with it."
        )
    return ok(f"NCCL {'.'.join(map(str, torch.cuda.nccl.version()))}")


def _no_gpu(reasons: list[str]) -> Outcome:
    import torch

    driver = _driver()
    if driver is None:
        return absent(
            "no GPU driver of NVIDIA here", "histosyn works on CPUs as well, but far slower."
        )
    if torch.version.cuda is None:
        return warning(
            f"{driver}, but torch {torch.__version__} is built for the CPU",
            "Install a build of torch for CUDA if this machine's GPUs are to be used.",
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    setting = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible!r})"
    return warning(
        "; ".join([f"{driver}, but torch sees no GPU{setting}", *reasons]),
        "In a SLURM job, ask for GPUs (--gres=gpu:N or what the site wants); else check that the "
        f"driver is new enough for CUDA {torch.version.cuda}.",
    )


def _look_at(device: torch.device) -> Outcome:
    import torch

    from hpc.precision import computes_bfloat16

    try:
        facts = torch.cuda.get_device_properties(device)
        free, total = torch.cuda.mem_get_info(device)
        multiply(device, torch.float32)
        bfloat16 = computes_bfloat16(device)
        if bfloat16:
            multiply(device, torch.bfloat16)
    except (AssertionError, RuntimeError, HistosynError) as error:
        return failure(
            f"{device}: {first_line(str(error))}",
            "Try another node, and tell the site which GPU of which node it was.",
        )
    detail = (
        f"{device}: {facts.name}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free, compute "
        f"capability {facts.major}.{facts.minor}, {'' if bfloat16 else 'no '}bfloat16"
    )
    if free < total / 2:
        return warning(detail, "Another process holds most of the memory: see nvidia-smi.")
    return ok(detail)


def multiply(device: torch.device, dtype: torch.dtype) -> None:
    """Multiply two small matrices on `device`; HistosynError if the product is wrong."""
    import torch

    halves = torch.full((_SIDE, _SIDE), 0.5, device=device, dtype=dtype)
    wrong = int((halves @ halves != _SIDE / 4).sum())
    if wrong:
        raise HistosynError(f"{wrong} of {_SIDE * _SIDE} products in {dtype} are wrong")


def _setting(name: str) -> str | None:
    value = os.environ.get(name)
    return f"{name}={value}" if value else None


def _driver() -> str | None:
    """The version of NVIDIA's driver, as the kernel says it."""
    try:
        text = _DRIVER_FILE.read_text(encoding="utf-8")
    except OSError:
        return None
    words = first_line(text).split()
    numbers = [word for word in words if word[0].isdigit() and "." in word]
    return f"NVIDIA driver {numbers[0] if numbers else 'of unknown version'}"
