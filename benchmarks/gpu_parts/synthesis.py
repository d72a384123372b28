"""Synthesis of a tile and of a large image: the network alone, and all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch
from inference import folded, inferred
from plain import PlainGenerator

from gpu_parts.bench import Bench, Row, as_time_allows
from gpu_parts.models import generator_config, labels_for, precisions_of_models, random_model
from gpu_parts.timing import arithmetic, cost_of
from histosyn.networks.generator import draw_noise
from histosyn.synthesis.tile import synthesize

_AS_PUBLISHED = {"pixel_noise": False, "upsampling": "nearest", "border": "zeros", "stain": False}
_CLASSES = 4


def synthesis(bench: Bench) -> Iterator[Row]:
    """Default and plain networks; first those with most channels."""
    size, large = bench.scale.synthesized
    cases = {}
    for channels in bench.scale.channels:
        for precision in precisions_of_models(bench):
            for modulation in ("spade", "class_table"):
                name = f"{channels} channels, {precision}, {modulation}"
                ours = {"modulation": modulation}
                cases[f"{size} px, {name}"] = partial(_tile, bench, size, channels, precision, ours)
            cases[f"{large} px, {channels} channels, {precision}, spade"] = partial(
                _image, bench, large, channels, precision
            )
        cases[f"{size} px, {channels} channels, float32, as published"] = partial(
            _tile, bench, size, channels, "float32", _AS_PUBLISHED
        )
        cases[f"{size} px, {channels} channels, float32, plain"] = partial(
            _plain, bench, size, channels
        )
    yield from as_time_allows(bench, cases)


def _tile(bench: Bench, size: int, channels: int, precision: str, generator: Row) -> Row:
    """The network alone, from a label map on the host, and the whole way to pixels."""
    model = random_model(bench, channels, precision, bench.device, **generator)
    labels_HW = labels_for(size)
    labels = torch.from_numpy(labels_HW).long()[None]
    noise = draw_noise([1], model.facts.generator, size, size, bench.device)
    times = {"warm_up": bench.scale.warm_up, "repeats": bench.scale.repeats}
    with arithmetic(precision):
        network = cost_of(lambda: inferred(model.network, labels, noise), bench.device, **times)
        whole = cost_of(lambda: synthesize(model, labels_HW, 1), bench.device, **times)
    return {"network, s": network.seconds, "host s": network.host_seconds,
            "synthesize, s": whole.seconds, "tiles/s": 1 / whole.seconds,
            "peak MiB": network.peak_mib}  # fmt: skip


def _image(bench: Bench, size: int, channels: int, precision: str) -> Row:
    """In windows, as an image of more than a million pixels is made; once, after a small one."""
    model = random_model(bench, channels, precision, bench.device)
    synthesize(model, labels_for(bench.scale.synthesized[0]), 1)
    labels_HW = labels_for(size)
    started = time.perf_counter()
    cost = cost_of(lambda: synthesize(model, labels_HW, 1, memory_gib=_memory_gib(bench)),
                   bench.device, warm_up=0, repeats=1)  # fmt: skip
    seconds = time.perf_counter() - started
    return {"synthesize, s": seconds, "megapixels/s": size**2 / seconds / 1e6,
            "peak MiB": cost.peak_mib}  # fmt: skip


def _memory_gib(bench: Bench) -> float:
    return 16.0 if bench.on_gpu else 2.0


def _plain(bench: Bench, size: int, channels: int) -> Row:
    config = generator_config(bench, channels, **_AS_PUBLISHED)
    network = folded(PlainGenerator(config, _CLASSES)).to(bench.device)
    labels = torch.from_numpy(labels_for(size)).long()[None].to(bench.device)
    noise = draw_noise([1], config, size, size, bench.device).entry
    with arithmetic("float32"):
        cost = cost_of(lambda: inferred(network, labels, noise), bench.device,
                       warm_up=bench.scale.warm_up, repeats=bench.scale.repeats)  # fmt: skip
    return {"network, s": cost.seconds, "host s": cost.host_seconds, "peak MiB": cost.peak_mib}
