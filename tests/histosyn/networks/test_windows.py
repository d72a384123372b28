"""Windows of an image are bit for bit parts of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.boxes import Box
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import made_ready
from histosyn.networks.levels import Level
from histosyn.networks.windows import (
    LEAST_CELLS,
    Reach,
    Scene,
    WindowedGenerator,
    shares_of,
    sides_within,
)
from hpc.determinism import deterministic

CLASSES = 4
SMALL = {"label_channels": 16, "noise_channels": 8, "max_multiplier": 4}


def ready_network(precision="float32", **settings):
    torch.manual_seed(0)
    network = Generator(GeneratorConfig(**SMALL | settings), CLASSES).eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.5)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    for module in network.modules():
        if torch.nn.utils.parametrize.is_parametrized(module):
            torch.nn.utils.parametrize.remove_parametrizations(module, "weight")
    return made_ready(network, precision)


def drawing(height, width, seed=0):
    """Areas of several sizes, some ignored pixels."""
    random = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int64)
    for _ in range(40):
        top, left = random.integers(0, height), random.integers(0, width)
        labels[top : top + random.integers(2, 40), left : left + random.integers(2, 40)] = (
            random.choice([0, 1, 2, 3, 255])
        )
    return torch.from_numpy(labels)[None]


def scene_of(labels_NHW, key=5):
    def window(box, step):
        return labels_NHW[:, box.top : box.bottom : step, box.left : box.right : step]

    return Scene(
        size=tuple(labels_NHW.shape[1:]), labels=window, noise_key=key, stain=torch.ones(1, 7)
    )


def in_windows(network, labels_NHW, sides, piece):
    scene = scene_of(labels_NHW)
    height, width = scene.size
    found = torch.full((1, 3, height, width), torch.nan)
    made = WindowedGenerator(network, scene, sides, shares_of(scene, network.config, CLASSES))
    for top in range(0, height, piece):
        for left in range(0, width, piece):
            box = Box(
                top=top, bottom=min(top + piece, height), left=left, right=min(left + piece, width)
            )
            for part, tile in made.windows(box):
                part.of(found).copy_(tile)
    return found


def whole(network, labels_NHW):
    noise = draw_noise([5], network.config, *labels_NHW.shape[1:], torch.device("cpu"))
    return network(labels_NHW, replace(noise, stain=torch.ones(1, 7)))


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((256, 256), [(128, 128)] * 4),
        ((200, 328), [(256, 256), (128, 256), (128, 128), (64, 64)]),
        ((40, 512), [(128, 128), (64, 128), (32, 64), (32, 64)]),
        ((264, 136), [(256, 256), (256, 256), (64, 128), (32, 32)]),
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"modulation": "class_table"},
        {"pixel_noise": False},
        {"precision": "bfloat16"},
        {"upsampling": "nearest", "border": "zeros", "stain": False},
        {"upsampling": "nearest", "border": "reflect", "precision": "bfloat16"},
    ],
    ids=str,
)
def test_windows_are_bit_for_bit_parts_of_the_image(size, sides, settings):
    network = ready_network(upsamplings=3, base_channels=8, **settings)
    labels = drawing(*size)
    with torch.inference_mode(), deterministic():
        found = in_windows(network, labels, sides, piece=256)
        assert torch.equal(found, whole(network, labels))


def test_how_modulation_is_computed_is_decided_for_the_image_not_the_window():
    """A quiet corner in a noisy image: alone it would be computed by its few neighbourhoods."""
    network = ready_network(upsamplings=3, base_channels=8)
    random = np.random.default_rng(0)
    labels = torch.from_numpy(random.integers(0, CLASSES, (1, 384, 384)))
    labels[:, 200:] = 0
    labels[:, :160, :160] = 1
    scene = scene_of(labels)
    shares = shares_of(scene, network.config, CLASSES)
    quiet = Level(labels[:, 200:], CLASSES)
    modulation = network.blocks[-1].norm_0
    assert modulation.repeats_enough(quiet.shares) != modulation.repeats_enough(shares[-1])
    with torch.inference_mode(), deterministic():
        found = in_windows(network, labels, [(128, 128)] * 4, piece=128)
        assert torch.equal(found, whole(network, labels))


def test_shares_of_a_large_image_are_those_of_its_levels(monkeypatch):
    labels = drawing(96, 160)
    config = GeneratorConfig(upsamplings=3, **SMALL)

    def fewer(size):
        from histosyn.networks.boxes import sampled

        return sampled(size, side=32)

    for module in ("levels", "windows"):
        monkeypatch.setattr(f"histosyn.networks.{module}.sampled", fewer)
    levels = Generator(config, CLASSES).levels_of(labels)
    assert shares_of(scene_of(labels), config, CLASSES) == [level.shares for level in levels]
    assert levels[-1].shares != levels[-1].patterns.shares


def test_what_is_computed_covers_what_is_wanted_with_its_rim():
    reach = Reach((4096, 4096), [(512, 512)] * 6)
    pixels = Box(top=1024, bottom=1536, left=0, right=512)
    for number in range(6):
        wanted, computed = reach.wanted(number, pixels), reach.computed(number, pixels)
        size = reach.grid(number)
        assert wanted.grown(4, size).top >= computed.top
        assert wanted.grown(4, size).bottom <= computed.bottom
        assert computed.left == 0
        cells = (computed.bottom - computed.top) * (computed.right - computed.left)
        assert cells >= LEAST_CELLS**2
    # 4 cells of 32, 16, 8, 4, 2 and 1 pixels and one for the last convolution, in whole cells.
    assert reach.computed(0, pixels).top * 32 == 1024 - 256


def test_less_memory_means_smaller_windows_never_larger_ones_than_before():
    config = GeneratorConfig(base_channels=32)
    much, little = (sides_within(config, 2048, size << 20) for size in (8000, 100))
    assert much == [(2048, 2048)] * 6
    areas = [rows * columns for rows, columns in little]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < 2048 * 2048 / 8
    assert all(2048 % side == 0 and side % config.stride == 0 for pair in little for side in pair)
    assert all(pair[0] <= 2048 and pair[1] <= 2048 for pair in sides_within(config, 2048, 1))
