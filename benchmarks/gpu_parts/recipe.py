"""The default recipe for three minutes, stopped and resumed in between, and what it can draw."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator

import numpy as np
from PIL import Image

from eval.distances.frechet import frechet_distance_from_features
from eval.extractors.choice import open_extractor
from gpu_parts.bench import Bench, Row
from gpu_parts.trainers import config_for, stream_of
from histosyn.config.train import TrainConfig
from histosyn.models.folder import load_model
from histosyn.synthesis.tile import synthesize
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.log import RecordsFile
from hpc.parallel import usable_cores
from hpc.preemption import STOP_FILE, Stopped

_ENDLESS = 1_000_000
# To save the last step, before the part should have ended.
_SAVING_SECONDS = 8.0
_MOST_WORKERS, _COMPARED, _SHOWN = 8, 96, 4


def train(number: int, bench: Bench) -> Iterator[Row]:
    """Go on with the run until the time is over, or until the steps that a toy takes."""
    toy = bench.scale.steps_of_recipe
    if number == 1:
        shutil.rmtree(bench.folder / "recipe", ignore_errors=True)
    config = _config(bench, _ENDLESS if toy is None else number * toy)
    stop = threading.Timer(max(bench.left - _SAVING_SECONDS, 1), _ask_to_stop, [config])
    stop.start()
    try:
        run_training(config)
    except Stopped:
        pass
    finally:
        stop.cancel()
    last = RecordsFile(config.run.folder / "metrics.jsonl").read()[-1]
    names = ("step", "images_seen", "images_per_second", "data_wait_share", "precision",
             "peak_memory_gib")  # fmt: skip
    yield {"case": f"part {number}"} | {name: last.get(name) for name in names}


def judge(bench: Bench) -> Iterator[Row]:
    """Finish the run where it is, and draw what it was trained on: distances, and a picture."""
    folder = bench.folder / "recipe"
    step = max(checkpoint.steps(folder / "checkpoints"))
    config = _config(bench, step)
    model = load_model(run_training(config), bench.device)
    extractor = open_extractor("efficientnet-lite0", device=bench.device)
    labels, real = _pairs(config, 8 if bench.is_toy else _COMPARED)
    made = np.stack([synthesize(model, labels_HW, key) for key, labels_HW in enumerate(labels)])
    here, there = extractor(made), extractor(real)
    half = len(real) // 2
    yield {"case": "Fréchet distance", "step": step, "tiles": len(real),
           "extractor": extractor.identity.name,
           "synthetic against real": frechet_distance_from_features(there, here),
           "halves of the real ones": frechet_distance_from_features(there[:half], there[half:]),
           }  # fmt: skip
    rows = [np.concatenate(tiles[:_SHOWN], axis=1) for tiles in (real, made)]
    path = bench.folder / "recipe.png"
    Image.fromarray(np.concatenate(rows)).save(path)
    yield {"case": "picture, real above synthetic", "file": path.name}


def _config(bench: Bench, steps: int) -> TrainConfig:
    size, batch = next(iter(bench.scale.batches.items()))
    workers = 0 if bench.is_toy else min(_MOST_WORKERS, max(usable_cores() - 1, 1))
    channels = bench.scale.channels[0] if bench.is_toy else None
    return config_for(bench, size=size, batch=batch, channels=channels,
                      settings={"data": {"workers": workers}}, folder=bench.folder / "recipe",
                      precision="auto", steps=steps, checkpoint_every=_ENDLESS,
                      sample_every=_ENDLESS, checkpoint_minutes=0.0, report_every=1 if bench.is_toy
                      else 20)  # fmt: skip


def _ask_to_stop(config: TrainConfig) -> None:
    (config.run.folder / STOP_FILE).touch()


def _pairs(config: TrainConfig, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Label maps (N, H, W) and tiles (N, H, W, 3), uint8, as they were trained on."""
    labels, tiles = [], []
    for batch in stream_of(config).batches():
        labels += list(batch.labels_NHW.numpy())
        tiles += list(batch.tiles_NCHW.permute(0, 2, 3, 1).numpy())
        if len(tiles) >= count:
            return np.stack(labels[:count]), np.stack(tiles[:count])
    raise AssertionError("streams have no end")
