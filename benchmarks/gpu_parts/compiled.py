"""What PyTorch can do about a step besides: algorithms by speed, CUDA graphs, torch.compile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch

from gpu_parts.bench import Bench, Row, as_time_allows
from gpu_parts.models import labels_for, random_model
from gpu_parts.timing import Cost, arithmetic, cost_of
from gpu_parts.trainers import batches_of, config_for, step_of, trainer_of
from histosyn.config.train import TrainConfig
from histosyn.networks.generator import draw_noise
from histosyn.networks.levels import Level
from histosyn.networks.modulation import tables_below

# A recording is made at the fourth.
_STEPS_COMPARED = 7


def graphs(bench: Bench) -> Iterator[Row]:
    """A default step and synthesis."""
    cases = {
        "step": partial(_step, bench),
        "step, cuDNN by speed": partial(_step, bench, by_speed=True),
        "step, dense": partial(_step, bench, tables_below=0.0),
        "step, dense, as a CUDA graph": partial(_recorded_step, bench),
        "synthesis, dense": partial(_synthesis, bench, graph=False),
        "synthesis, dense, as a CUDA graph": partial(_synthesis, bench, graph=True),
    }
    yield from as_time_allows(bench, cases)


def compiled(bench: Bench) -> Iterator[Row]:
    """A step whose discriminator is compiled, which may take longer than there is time."""
    yield from as_time_allows(
        bench, {"step, discriminator compiled": partial(_step, bench, compile=True)}
    )


def _step(bench: Bench, *, by_speed: bool = False, **run: object) -> Row:
    config = _config(bench, **run)
    if config.run.compile and not bench.on_gpu:
        # That takes minutes on a CPU: the way there is tried, and nothing compiled.
        torch.compiler.set_stance("force_eager")
    try:
        with arithmetic(config.run.precision, by_speed=by_speed):
            trainer = trainer_of(config, bench.device)
            step = step_of(
                trainer, batches_of(trainer.stream, bench.scale.warm_up + bench.scale.repeats)
            )
            started = time.perf_counter()
            step()
            if bench.on_gpu:
                torch.cuda.synchronize()
            first = time.perf_counter() - started
            cost = cost_of(step, bench.device, warm_up=bench.scale.warm_up,
                           repeats=bench.scale.repeats)  # fmt: skip
    finally:
        torch.compiler.set_stance("default")
    return {"first, s": first} | _row(cost)


def _recorded_step(bench: Bench) -> Row:
    """What `run.cuda_graphs` gives, and whether it is the step that it would be without."""
    if not bench.on_gpu:
        return {"note": "only on a GPU"}
    row = _step(bench, tables_below=0.0, cuda_graphs=True)
    measured = [_measured(bench, cuda_graphs=recorded) for recorded in (True, False)]
    return row | {"same as without": measured[0] == measured[1]}


def _measured(bench: Bench, **run: object) -> list[dict[str, float]]:
    """The losses of the first steps, of which a recording is not the first."""
    config = _config(bench, tables_below=0.0, **run)
    with arithmetic(config.run.precision):
        trainer = trainer_of(config, bench.device)
        losses = []
        for batch in batches_of(trainer.stream, _STEPS_COMPARED):
            losses.append({name: float(it) for name, it in trainer.take_step(batch).items()})
            trainer.step += 1
    return losses


def _config(bench: Bench, **run: object) -> TrainConfig:
    size, batch = next(iter(bench.scale.batches.items()))
    return config_for(bench, size=size, batch=batch, channels=bench.scale.channels[0],
                      precision=bench.scale.precisions[0], **run)  # fmt: skip


@torch.inference_mode()
def _synthesis(bench: Bench, *, graph: bool) -> Row:
    """Of dense tables, whose shapes do not depend on the label map, so that a graph can be kept."""
    if graph and not bench.on_gpu:
        return {"note": "only on a GPU"}
    size = bench.scale.synthesized[0]
    model = random_model(bench, bench.scale.channels[0], bench.scale.precisions[0], bench.device)
    network = model.network
    labels = torch.from_numpy(labels_for(size)).long()[None].to(bench.device)
    noise = draw_noise([1], model.facts.generator, size, size, bench.device)
    # The choice of tables is made by looking at the map; here it is made beforehand.
    levels = [Level(level.labels_NHW, level.classes, (1.0, 1.0))
              for level in network.levels_of(labels)]  # fmt: skip
    with arithmetic(model.precision), tables_below(0.0):
        eager = partial(network, labels, noise, levels)
        if not graph:
            work = eager
        else:
            # As PyTorch asks: a few rounds on a stream of their own before they are recorded.
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(bench.scale.warm_up):
                    expected = eager()
            torch.cuda.current_stream().wait_stream(stream)
            recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recorded):
                made = eager()
            work = recorded.replay
        cost = cost_of(work, bench.device, warm_up=bench.scale.warm_up,
                       repeats=bench.scale.repeats)  # fmt: skip
    row = _row(cost)
    return row | {"same as without": bool(torch.equal(made, expected))} if graph else row


def _row(cost: Cost) -> Row:
    return {"s": cost.seconds, "host s": cost.host_seconds, "peak MiB": cost.peak_mib}
