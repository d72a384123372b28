"""Training steps: ours in several ways against the step of the papers; time, memory, profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Any

import torch
from plain import PlainStep
from turns import operations_of

from gpu_parts.bench import Bench, Row, as_time_allows
from gpu_parts.profile import profiled
from gpu_parts.timing import arithmetic, cost_of, matmul_rate
from gpu_parts.trainers import (
    AS_PUBLISHED,
    Settings,
    batches_of,
    config_for,
    step_of,
    stream_of,
    trainer_of,
)
from histosyn.config.train import TrainConfig
from histosyn.networks.noise import draw_noise
from histosyn.training.step_inputs import make_step_inputs

# In turn.
_BATCHES = 4
# Ours, most telling first; None stands for the plain step.
_TABLES, _DENSE = {"run": {"tables_below": 1.0}}, {"run": {"tables_below": 0.0}}
WAYS: dict[str, Settings | None] = {
    "distinct neighbourhoods": AS_PUBLISHED | _TABLES,
    "dense": AS_PUBLISHED | _DENSE,
    "plain": None,
    "class table": AS_PUBLISHED
    | {"generator": AS_PUBLISHED["generator"] | {"modulation": "class_table"}},
    "default": {},
}


def steps_of_size(number: int, bench: Bench) -> Iterator[Row]:
    """Each way at the size of this number, first those with most channels."""
    size = list(bench.scale.batches)[number]
    cases = {
        f"{size} px, {channels} channels, {way}, {precision}": partial(
            _step, bench, size, channels, way, precision
        )
        for channels in bench.scale.channels
        for way in WAYS
        for precision in bench.scale.precisions
        if precision != "tf32" or way in ("distinct neighbourhoods", "dense", "plain")
    }
    try:
        yield from as_time_allows(bench, cases)
    finally:
        _networks.cache_clear()


def profile(bench: Bench) -> Iterator[Row]:
    """Where the time of the default step goes, and how long the device waits for the host."""
    size, batch = next(iter(bench.scale.batches.items()))
    config = config_for(bench, size=size, batch=batch, channels=bench.scale.channels[0],
                        precision=bench.scale.precisions[0])  # fmt: skip
    trainer = trainer_of(config, bench.device)
    step = step_of(trainer, batches_of(trainer.stream, 6))
    with arithmetic(bench.scale.precisions[0]):
        yield from profiled(step, bench.device, warm_up=bench.scale.warm_up)


def _step(bench: Bench, size: int, channels: int, way: str, precision: str) -> Row:
    scale, batch = bench.scale, bench.scale.batches[size]
    make = _networks(bench, size, channels, way)
    with arithmetic(precision):
        step, context = make("float32" if precision == "tf32" else precision)
        with context:
            cost = cost_of(step, bench.device, warm_up=scale.warm_up, repeats=scale.repeats)
            operations = operations_of(step)
    rate = _rate(bench.device, precision, scale.matmul_side)
    return {"tiles": batch, "s": cost.seconds, "host s": cost.host_seconds,
            "tiles/s": batch / cost.seconds, "TFLOP": operations / 1e12,
            "of matmul": operations / cost.seconds / rate, "peak MiB": cost.peak_mib}  # fmt: skip


# A step in a precision, and the context that it wants.
Make = Callable[[str], tuple[Callable[[], Any], AbstractContextManager[Any]]]


@lru_cache(maxsize=1)
def _networks(bench: Bench, size: int, channels: int, way: str) -> Make:
    """Of a way; their first weights take longer than a step, and serve every precision."""
    settings = WAYS[way]
    config = config_for(
        bench, size=size, batch=bench.scale.batches[size], channels=channels,
        settings=AS_PUBLISHED if settings is None else settings, precision="float32",
    )  # fmt: skip
    return _plain_step(bench, config) if settings is None else _our_step(bench, config)


def _our_step(bench: Bench, config: TrainConfig) -> Make:
    """The step of a run, from a batch on the host, with its tables, to the moving average."""
    trainer = trainer_of(config, bench.device)

    def make(precision: str) -> tuple[Callable[[], Any], AbstractContextManager[Any]]:
        trainer.config = replace(config, run=replace(config.run, precision=precision))
        # Which tables it needs depends on the precision.
        batches = batches_of(stream_of(trainer.config, bench.device), _BATCHES)
        return step_of(trainer, batches), nullcontext()

    return make


def _plain_step(bench: Bench, config: TrainConfig) -> Make:
    stream = stream_of(config)
    (batch,) = batches_of(stream, 1)
    inputs = make_step_inputs(config, batch, 0, bench.device)
    height, width = inputs.labels_NHW.shape[1:]
    noise = draw_noise(inputs.positions, config.generator, height, width, bench.device).entry
    classes = len(stream.index.schema)
    plain = PlainStep(config.generator, config.discriminator, classes, bench.device)
    step = partial(plain, inputs.labels_NHW, inputs.tiles_NCHW, noise)

    def make(precision: str) -> tuple[Callable[[], Any], AbstractContextManager[Any]]:
        half = precision == "bfloat16"
        return step, torch.autocast(bench.device.type, torch.bfloat16, enabled=half)

    return make


@cache
def _rate(device: torch.device, precision: str, side: int) -> float:
    return matmul_rate(device, precision, side)
