"""Are the numbers of the device those of the CPU? Losses, batch statistics, synthesis."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import multiprocessing, nn

from gpu_parts.bench import Bench, Row, as_time_allows
from gpu_parts.models import labels_for, precisions_of_models, random_model
from gpu_parts.ranks import normalized, normalized_on_a_rank, tiles_of_all
from gpu_parts.timing import arithmetic
from gpu_parts.trainers import Settings, batches_of, config_for, trainer_of
from histosyn.labels.field import ArrayField
from histosyn.synthesis.field_tissue import FieldTissue
from histosyn.synthesis.tile import synthesize

_STEPS = 3
_ALONE: Settings = {"discriminator": {"pretrained": "none"}}
GAMES: dict[str, Settings] = {
    "default": {},
    "pixels": {"discriminator": {"kind": "unet"}},
    "alternating, R1": _ALONE | {"run": {"updates": "alternating"},
                                 "loss": {"r1": 1.0, "r1_interval": 1}},
    "class table": _ALONE | {"generator": {"modulation": "class_table"}},
}  # fmt: skip
# How far the first step's losses may be from those in float64 on the CPU, relatively.
TOLERANCES = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 5e-2}
# The frozen network of the default game computes in float32 whatever the rest does.
_OF_FROZEN_NETWORKS = 1e-4
_LEAST = 0.1


def losses(bench: Bench) -> Iterator[Row]:
    """Each game on the device in each precision against float64 on the CPU."""
    cpu = torch.device("cpu")
    for game, settings in GAMES.items():
        reference = _steps(bench, cpu, settings, "float64")
        cases = {f"{game}, {precision}": partial(_compared, bench, settings, precision, reference)
                 for precision in ("float64", *bench.scale.precisions)
                 if precision in TOLERANCES}  # fmt: skip
        yield from as_time_allows(bench, cases)


def _steps(
    bench: Bench, device: torch.device, settings: Settings, precision: str
) -> list[dict[str, float]]:
    """Losses and norms of gradients of the first steps."""
    scale = bench.scale
    config = config_for(bench, size=scale.small_size, batch=2, channels=scale.small_channels,
                        settings=settings, precision=precision)  # fmt: skip
    trainer = trainer_of(config, device)
    found = []
    with arithmetic(precision):
        for batch in batches_of(trainer.stream, _STEPS):
            values = trainer.take_step(batch) | trainer.diagnostics
            trainer.step += 1
            found.append({name: float(value) for name, value in values.items()
                          if name.split("/")[0] != "saturated"})  # fmt: skip
    return found


def _compared(
    bench: Bench, settings: Settings, precision: str, reference: list[dict[str, float]]
) -> Row:
    found = _steps(bench, bench.device, settings, precision)
    differences = [
        max((_difference(here[name], there[name]), name) for name in there if "norm" not in name)
        for here, there in zip(found, reference, strict=True)
    ]
    norms = max(_difference(found[0][name], reference[0][name])
                for name in reference[0] if "norm" in name)  # fmt: skip
    frozen = _OF_FROZEN_NETWORKS if "discriminator" not in settings else 0.0
    return {"difference of step 1": differences[0][0], "largest at": differences[0][1],
            "gradient norms of step 1": norms, f"difference of step {_STEPS}": differences[-1][0],
            "ok": differences[0][0] < max(TOLERANCES[precision], frozen)}  # fmt: skip


def _difference(here: float, there: float) -> float:
    return abs(here - there) / max(abs(there), _LEAST)


def statistics(bench: Bench) -> Iterator[Row]:
    """Batch normalization over two ranks that share the device, ours and PyTorch's, against
    `nn.BatchNorm2d` on both ranks' tiles in float64; and what the device does not compute in the
    same order every time."""
    with tempfile.TemporaryDirectory() as name:
        kinds = ("ours", "PyTorch's") if bench.on_gpu else ("ours",)
        arguments = (Path(name), bench.device.type, kinds)
        multiprocessing.spawn(normalized_on_a_rank, arguments, nprocs=2)
        for kind in kinds:
            x, probe = tiles_of_all(), tiles_of_all() * 0.5 + 1
            expected = normalized(nn.BatchNorm2d(x.shape[1]).double(), x.double(), probe.double())
            parts = [torch.load(Path(name) / f"{kind}-{rank}.pt") for rank in range(2)]
            joined = [torch.cat(pair) for pair in zip(*parts, strict=True)]
            errors = [float((mine.double() - its).abs().max() / its.abs().max())
                      for mine, its in zip(joined, expected, strict=True)]  # fmt: skip
            yield {"case": f"SyncBatchNorm, {kind}", "output": errors[0], "gradient": errors[1],
                   "ok": max(errors) < 1e-5}  # fmt: skip
    yield {"case": "operations without a deterministic form", "found": _warned_of(bench)}


def _warned_of(bench: Bench) -> str:
    """Names of operations that torch warns of, from a step and from synthesis."""
    scale = bench.scale
    config = config_for(bench, size=scale.small_size, batch=2, channels=scale.small_channels)
    trainer = trainer_of(config, bench.device)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for batch in batches_of(trainer.stream, 1):
                trainer.take_step(batch)
    finally:
        torch.use_deterministic_algorithms(False)
    texts = [str(warning.message) for warning in warned]
    named = {re.split(r"[ (]", text)[0] for text in texts if "deterministic" in text}
    return ", ".join(sorted(named)) or "none"


def tiles(bench: Bench) -> Iterator[Row]:
    """Synthesis on the device against the CPU, in windows against whole, and twice."""
    size = 3 * bench.scale.small_size
    labels = labels_for(size)
    for precision in precisions_of_models(bench):
        here, there = (random_model(bench, bench.scale.channels[-1], precision, device)
                       for device in (bench.device, torch.device("cpu")))  # fmt: skip
        tile = synthesize(here, labels, 1)
        yield {"case": f"{precision}, against the CPU"} | _distance(
            tile, synthesize(there, labels, 1)
        )
        yield {"case": f"{precision}, twice"} | _distance(tile, synthesize(here, labels, 1))
        part = 32 * max(1, size // 64)
        windows = FieldTissue(here, ArrayField(labels), 1, here.facts.stains.draw(1), part=part)
        yield {"case": f"{precision}, windows against whole"} | _distance(tile, windows.whole())


def _distance(one: np.ndarray, other: np.ndarray) -> Row:
    """Of colours from 0 to 255."""
    apart = np.abs(one.astype(int) - other)
    return {"largest difference": int(apart.max()), "mean difference": float(apart.mean()),
            "equal values": float((apart == 0).mean())}  # fmt: skip
