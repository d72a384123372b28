"""Networks that measure tiles: how many they read in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from eval.extractors.pretrained import PretrainedExtractor
from eval.features.extractor import Extractor
from gpu_parts.bench import Bench, Row, as_time_allows
from gpu_parts.timing import cost_of
from hpc.errors import InputError

_BATCH = 64


def extractors(bench: Bench) -> Iterator[Row]:
    """From uint8 tiles on the host to features on the host."""
    makes: dict[str, Callable[[], Extractor]] = {
        "efficientnet-lite0": partial(PretrainedExtractor, "efficientnet-lite0",
                                      device=bench.device),
        "inception": partial(_inception, bench),
    }  # fmt: skip
    yield from as_time_allows(
        bench, {name: partial(_rate, bench, make) for name, make in makes.items()}
    )


def _rate(bench: Bench, make: Callable[[], Extractor]) -> Row:
    try:
        extractor = make()
    except (ImportError, InputError) as error:
        return {"note": f"left out: {str(error).splitlines()[0]}"}
    size, count = next(iter(bench.scale.batches)), 2 if bench.is_toy else _BATCH
    tiles = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    cost = cost_of(lambda: extractor(tiles), bench.device, warm_up=bench.scale.warm_up,
                   repeats=bench.scale.repeats)  # fmt: skip
    return {"tiles": count, "pixels a side": size, "s": cost.seconds,
            "tiles/s": count / cost.seconds, "peak MiB": cost.peak_mib}  # fmt: skip


def _inception(bench: Bench) -> Extractor:
    """With random weights: speed is all that is asked for."""
    # Here, because torchvision and pytorch-fid may not be there.
    from features import random_weights

    from eval.extractors.inception import InceptionExtractor

    with TemporaryDirectory() as name:
        path = Path(name) / "inception.pth"
        torch.save(random_weights(), path)
        return InceptionExtractor(path, device=bench.device)
