"""What a device computes natively, and what the precision `auto` therefore stands for on it.

A device without instructions for bfloat16 emulates it: rightly, but several times slower than it
computes in float32. Whoever asks for it there is told so, with the factor, measured on the spot.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch.nn import functional

from hpc import collectives

logger = logging.getLogger("histosyn")

Precision = Literal["float32", "bfloat16", "float64"]

# The first that is set counts, as in oneDNN, which computes torch's convolutions on CPUs.
_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_BFLOAT16 = frozenset(
    ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
)
_NATIVE = {"avx512_bf16": "AVX-512-BF16", "amx_bf16": "AMX-BF16"}
_SHOWN = {"avx2": "AVX2", "avx512_f": "AVX-512", **_NATIVE}
_CHANNELS, _SIDE, _ROUNDS = 64, 32, 3


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A CPU: its `model`, which of the instruction sets that matter here it has and lacks, and
    whether torch computes bfloat16 with them. `cap` is the setting, if any, that forbids oneDNN
    those that are newer than it names.
    """

    model: str
    instructions: tuple[str, ...]
    lacks: tuple[str, ...]
    native_bfloat16: bool
    cap: str | None = None

    def __str__(self) -> str:
        text = f"{self.model} ({', '.join(self.instructions) or f'no {self.lacks[0]}'})"
        return text if self.cap is None else f"{text}, held by {self.cap}"


def processor() -> Processor:
    """The one that this process runs on."""
    able = torch.cpu.get_capabilities()
    cap = _cap()
    return Processor(
        model=able.get("cpu_name") or platform.processor() or platform.machine(),
        instructions=tuple(name for key, name in _SHOWN.items() if able.get(key)),
        lacks=tuple(name for key, name in _SHOWN.items() if not able.get(key)),
        native_bfloat16=_native_bfloat16(able, cap),
        cap=None if cap is None else "=".join(cap),
    )


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there, not slower."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return processor().native_bfloat16


def settled(wanted: str, device: torch.device, kept: str | None = None) -> Precision:
    """The precision to compute in where `wanted` was asked for; the same on all ranks.

    "auto" is what the work was begun in, `kept`; else bfloat16 if every rank's device computes it
    natively; else float32. Rank 0 says what was chosen and why, and warns of emulation.
    """
    natively = collectives.gather_objects(computes_bfloat16(device))
    chosen: Any = wanted
    if wanted == "auto":
        chosen = kept or ("bfloat16" if all(natively) else "float32")
        if collectives.rank() == 0:
            why = _reason(natively, device) if kept is None else _loss(kept, natively)
            logger.info("precision auto is %s: %s", chosen, why)
    if chosen == "bfloat16" and not all(natively):
        own = 0.0 if natively[collectives.rank()] else bfloat16_factor(device)
        factor = max(collectives.gather_objects(own))
        if collectives.rank() == 0:
            _warn_once(_warning(factor, natively, device))
    return chosen


@cache
def bfloat16_factor(device: torch.device) -> float:
    """How many times as long as in float32 a convolution, there and back, takes in bfloat16."""
    seconds = {
        dtype: min(_convolution_seconds(device, dtype) for _ in range(_ROUNDS))
        for dtype in (torch.float32, torch.bfloat16)
    }
    return seconds[torch.bfloat16] / seconds[torch.float32]


def device_text(device: torch.device) -> str:
    """What to call a device where its speed matters."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(processor())


def _cap() -> tuple[str, str] | None:
    name = next((name for name in _CAPS if os.environ.get(name)), None)
    return None if name is None else (name, os.environ[name])


def _native_bfloat16(able: Any, cap: tuple[str, str] | None) -> bool:
    try:
        supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    except (AttributeError, RuntimeError):  # a torch that was built without oneDNN
        return False
    if able.get("architecture") != "x86_64":
        return supported
    # There it means AVX-512, on which oneDNN has bfloat16: by instructions of its own, or by many.
    capped = cap is not None and cap[1].upper() in _WITHOUT_BFLOAT16
    return supported and not capped and any(able.get(key) for key in _NATIVE)


def _convolution_seconds(device: torch.device, dtype: torch.dtype) -> float:
    """Without random numbers: nobody's are to change by what is only a measurement."""
    shape = (2, _CHANNELS, _SIDE, _SIDE)
    x_NCHW = torch.full(shape, 0.5, device=device, dtype=dtype, requires_grad=True)
    weight = torch.full(
        (_CHANNELS, _CHANNELS, 3, 3), 0.01, device=device, dtype=dtype, requires_grad=True
    )
    started = time.perf_counter()
    functional.conv2d(x_NCHW, weight, padding=1).sum().backward()
    assert weight.grad is not None
    weight.grad.sum().item()  # waits for a GPU
    return time.perf_counter() - started


def _reason(natively: list[bool], device: torch.device) -> str:
    here = device_text(device)
    if all(natively):
        return f"{here} computes bfloat16 natively"
    if not any(natively):
        return f"{here} computes no bfloat16 natively"
    return f"{natively.count(False)} of {len(natively)} processes would emulate bfloat16"


def _loss(kept: str, natively: list[bool]) -> str:
    if kept == "float32" and all(natively):
        return "as when it was begun; this device would compute bfloat16, which is faster, natively"
    return "as when it was begun"


def _warning(factor: float, natively: list[bool], device: torch.device) -> str:
    emulating = natively.count(False)
    where = f"{emulating} of {len(natively)} processes compute"
    if emulating == len(natively):
        where = f"{device_text(device)} computes"
    return (
        f"bfloat16 is emulated: {where} no bfloat16 natively. A convolution takes {factor:.2g} "
        "times as long as in float32 there, and a step of training is slower likewise. For new "
        "work choose precision auto or float32; what was begun in bfloat16 is faster where it is "
        "native."
    )


@cache
def _warn_once(text: str) -> None:
    """However many trainings this process goes through."""
    logger.warning("%s", text)
