"""What runs on the simulated device: each piece of work, by name, for any device.

A piece of work is made ready by a call and done by calling what that gives; only the latter is
counted. It returns numbers by name. All networks are tiny.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from games import CLASSES, GAMES, batch, with_run
from painting import GENERATOR, STAINS, random_model, stripes
from segmenting import tiny_segmenter
from tissue import blobs, pack_blobs, tiny_config

from eval.extractors.pretrained import PretrainedExtractor
from eval.extractors.random_network import RandomExtractor
from eval.segmenter.trainer import SegmenterTrainer
from eval.two_samples.scaled import ScaledExtractor
from histosyn.labels.field import ArrayField
from histosyn.models.folder import load_model
from histosyn.networks.ema import Ema
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d, _Normalize
from histosyn.synthesis.activation_cache import ActivationCache
from histosyn.synthesis.field_tissue import FieldTissue
from histosyn.synthesis.rerolls import Rerolls
from histosyn.synthesis.tile import synthesize, synthesize_painted
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import open_stream
from histosyn.training.recalibration import Recalibration
from histosyn.training.sample_grid import SampleGrid
from histosyn.training.trainer import Trainer
from hpc import checkpoint
from hpc.topology import Topology

# What the games do not show: tables of γ and β on all levels, however small the label maps; and the
# recipe that is the default.
_TABLES = with_run(GAMES["hinge"], tables_below=1e9)
STEPS = {
    **GAMES,
    "tables everywhere": _TABLES,
    "the default recipe": replace(
        _TABLES,
        generator=GAMES["filtered, stain"].generator,
        discriminator=replace(GAMES["hinge"].discriminator, pretrained="efficientnet-lite0"),
    ),
}
PRECISIONS = ("float32", "bfloat16")


def training_step(config, device, folder):
    """A step after the first, in which optimizers make their state; R1 is due.

    In half precision the second goes on from the CPU's first in float32. Adam's first step goes by
    the signs of gradients, those of the smallest are mere rounding, and what follows from other
    weights is not what this compares.
    """
    trainer = _trainer(config, device)
    first = trainer.take_step(_sent(batch(0), device)) | trainer.diagnostics
    if config.run.precision == "bfloat16":
        exact = _trainer(with_run(config, precision="float32"), torch.device("cpu"))
        exact.take_step(batch(0))
        trainer.load(exact.state())
    trainer.step, second = 2, _sent(batch(2), device)

    def step():
        after = trainer.take_step(second) | trainer.diagnostics
        return first | {f"after the first: {name}": value for name, value in after.items()}

    return step


def _trainer(config, device):
    return Trainer(config, None, Adversaries(config, CLASSES, device), device)


def _sent(made, device):
    """As a loader gives it for this device."""
    return made if device.type == "cpu" else made.pin_memory()


def batch_normalization(device, folder):
    """The form for several ranks, forward and backward, in float32 and in half precision."""
    norm = SyncBatchNorm2d(5).to(device)
    random = torch.Generator().manual_seed(0)
    values = [torch.randn(3, 5, 7, 6, generator=random) for _ in range(2)]
    x, dy = (value.to(device) for value in values)

    def normalize():
        found = {}
        for dtype in (torch.float32, torch.bfloat16):
            given = x.to(dtype).requires_grad_()
            y, count, mean_C, variance_C = _Normalize.apply(given, norm.eps)
            norm._keep(count, mean_C, variance_C)
            (dx,) = torch.autograd.grad(y, given, dy.to(dtype))
            found |= {f"y {dtype}": y.detach(), f"dx {dtype}": dx}
        return found | {"mean": norm.running_mean, "variance": norm.running_var}

    return normalize


def moving_average(device, folder):
    """Of a network that moved once."""
    network = Adversaries(GAMES["hinge"], CLASSES, device).generator.network
    ema = Ema(network, 0.9)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1)

    def follow():
        ema.update(network, 5)
        return dict(ema.network.state_dict())

    return follow


def checkpoint_round_trip(device, folder):
    """The state of both networks, optimizers included, to a disk and back into others."""
    config = with_run(GAMES["hinge"], precision="float32")
    trainer = _trainer(config, device)
    trainer.take_step(_sent(batch(0), device))
    other = _trainer(config, device)

    def there_and_back():
        path = folder / f"{device.type}-step"
        checkpoint.save(path, trainer.state())
        other.load(checkpoint.load(path))
        return {**other.take_step(_sent(batch(1), device)), "step": torch.tensor(other.step)}

    return there_and_back


def recalibration(device, folder):
    """The batch statistics of a moving average, over two batches."""
    config, stream = _on_blobs(folder)
    recalibrate = Recalibration(config, stream.reader, Topology(), device)
    network = Adversaries(config, len(stream.index.schema), device).ema.network

    def count():
        recalibrate(network, 1)
        return {name: it for name, it in network.named_buffers() if "running" in name}

    return count


def sample_grid(device, folder):
    """The picture of four tiles."""
    config, stream = _on_blobs(folder)
    network = Adversaries(config, len(stream.index.schema), device).ema.network
    grid = SampleGrid(stream.reader, seed=0, crop=None, count=2)
    return lambda: {"tiles": grid._synthesize(network, 0), **grid.draw(network).spectra}


def _on_blobs(folder):
    shards = folder / "blobs"
    if not shards.exists():
        pack_blobs(shards, count=8, size=32)
    config = tiny_config(shards / "packed" / "train", folder / "run", precision="float32")
    stain = replace(config.generator, stain=True, upsampling="bilinear")
    config = replace(config, generator=stain)
    return config, open_stream(config, Topology())


def synthesis(device, folder):
    """One tile, in a stain."""
    model = _model(device, folder)
    return lambda: {"tile": synthesize(model, stripes(), 3, stain=tuple(STAINS.codes_MS[0]))}


def windows(device, folder):
    """A label map in the smallest windows."""
    model = _model(device, folder)
    labels_HW = np.tile(stripes(), (3, 2))
    stain = tuple(STAINS.codes_MS[0])
    tissue = FieldTissue(model, ArrayField(labels_HW), 3, stain, part=64)
    return lambda: {"tissue": tissue.whole()}


def rerolls(device, folder):
    """A painted map, and again with an area of other noise, by what is kept of the first."""
    model, labels_HW, cache = _model(device, folder), stripes(), ActivationCache()
    areas_HW = np.zeros_like(labels_HW)
    areas_HW[16:24, 16:30] = 1

    def paint():
        stain = tuple(STAINS.codes_MS[0])
        found = {}
        for seeds in ((), (5,)):
            areas = Rerolls(areas_HW=areas_HW * len(seeds), seeds=seeds)
            found[f"{seeds}"] = synthesize_painted(
                model, labels_HW, 1, areas, cache=cache, stain=stain
            )[0]
        return found

    return paint


def _model(device, folder):
    path = folder / "model"
    if not path.exists():
        random_model(path, replace(GENERATOR, stain=True, upsampling="bilinear"))
    return load_model(path, device)


def features(kind, device, folder):
    """Of four tiles."""
    extractor = kind(device)
    tiles_NHWC = np.stack([blobs(number, 32)[0] for number in range(4)])
    return lambda: {"features": extractor(tiles_NHWC)}


def segmenter_step(device, folder):
    """The second step of a segmenter."""
    _, stream = _on_blobs(folder)
    trainer = SegmenterTrainer(
        tiny_segmenter(Path("none"), Path("none"), precision="float32"), stream, device
    )
    trainer.take_step(_sent(batch(0), device))
    return lambda: trainer.take_step(_sent(batch(1), device))


def _steps():
    """Every game in both precisions; the other order of updates for two that differ in it."""
    for name, config in STEPS.items():
        for precision in PRECISIONS:
            yield f"{name}, {precision}", with_run(config, precision=precision)
    for name in ("hinge", "pixels"):
        changed = with_run(GAMES[name], updates="alternating", precision="float32")
        yield f"{name}, alternating, float32", changed


WORK = {
    **{f"training step: {name}": partial(training_step, config) for name, config in _steps()},
    "batch normalization over ranks": batch_normalization,
    "moving average": moving_average,
    "checkpoint, saved and loaded": checkpoint_round_trip,
    "recalibration": recalibration,
    "sample grid": sample_grid,
    "synthesis": synthesis,
    "windows": windows,
    "re-rolls": rerolls,
    "features: random": partial(features, lambda device: RandomExtractor(seed=0, device=device)),
    "features: efficientnet-lite0": partial(
        features, lambda device: PretrainedExtractor("efficientnet-lite0", device=device)
    ),
    "features of a two-sample test": partial(
        features, lambda device: ScaledExtractor(RandomExtractor(seed=0, device=device))
    ),
    "segmenter step": segmenter_step,
}
