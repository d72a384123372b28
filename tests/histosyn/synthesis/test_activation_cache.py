import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import GENERATOR
from scipy.ndimage import zoom
from tissue import SCHEMA

from histosyn.networks.generator import Generator
from histosyn.synthesis.activation_cache import ActivationCache
from histosyn.synthesis.rerolls import Rerolls, paint_tissue


def network(**changes):
    torch.manual_seed(0)
    made = Generator(dataclasses.replace(GENERATOR, **changes), len(SCHEMA)).double().eval()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return Counting(made)


class Counting:
    """A network that counts the pixels it computes."""

    def __init__(self, network):
        self.network = network
        self.pixels = 0

    def __getattr__(self, name):
        return getattr(self.network, name)

    def rise(self, number, x, level, noise, stain):
        self.pixels += level.labels_NHW.numel()
        noise = None if noise is None else noise.double()
        return self.network.rise(number, x, level, noise, stain)

    def enter(self, levels, noise):
        return self.network.enter(levels, dataclasses.replace(noise, entry=noise.entry.double()))


def tissue(made, labels, areas, seeds=(5, 6), cache=None, seed=3):
    with torch.inference_mode():
        rerolls = Rerolls(areas_HW=areas, seeds=seeds)
        return paint_tissue(made, labels, seed, rerolls, cache=cache)


def islands(random, height, width):
    """Piecewise constant, as label maps are."""
    coarse = random.integers(0, len(SCHEMA), (height // 8 + 1, width // 8 + 1))
    return zoom(coarse, 8, order=0)[:height, :width].astype(np.uint8)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["labels", "area 1", "area 2", "seed"]),
        st.integers(0, 150), st.integers(0, 150), st.integers(1, 30), st.integers(0, 3),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


KINDS = [
    {},
    {"upsamplings": 4, "pixel_noise": False},
    {"upsampling": "bilinear", "border": "replicate"},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=12)
@given(edits=EDITS, height=st.integers(60, 150), width=st.integers(60, 150))
def test_edits_one_after_another_give_what_the_whole_would(kind, edits, height, width):
    made, cache = network(**kind), ActivationCache()
    labels = islands(np.random.default_rng(height), height, width)
    areas, seed = np.zeros_like(labels), 0
    tissue(made, labels, areas, cache=cache, seed=seed)
    for what, row, column, size, value in edits:
        labels, areas = labels.copy(), areas.copy()
        part = np.s_[row : row + size, column : column + size]
        if what == "labels":
            labels[part] = value
        elif what == "seed":
            seed = value
        else:
            areas[part] = int(what[-1])
        found = tissue(made, labels, areas, cache=cache, seed=seed)
        whole = tissue(made, labels, areas, seed=seed)
        torch.testing.assert_close(found.values, whole.values, rtol=0, atol=1e-12)
        if found.exact:
            assert torch.equal(found.values, whole.values)


def test_a_small_edit_of_a_large_map_is_little_work():
    made, cache = network(), ActivationCache()
    labels = islands(np.random.default_rng(0), 400, 400)
    areas = np.zeros_like(labels)
    assert tissue(made, labels, areas, cache=cache).exact
    whole, made.pixels = made.pixels, 0
    labels = labels.copy()
    labels[200:210, 100:110] = 3 - labels[200:210, 100:110]
    assert not tissue(made, labels, areas, cache=cache).exact
    assert 0 < made.pixels < whole / 8
    made.pixels = 0
    tissue(made, labels, areas, cache=cache)
    assert made.pixels == 0


def test_a_rerolled_area_needs_the_fine_blocks_around_it_only():
    made, cache = network(upsamplings=4), ActivationCache()
    labels = islands(np.random.default_rng(0), 400, 400)
    areas = np.zeros_like(labels)
    tissue(made, labels, areas, cache=cache)
    whole, made.pixels = made.pixels, 0
    areas = areas.copy()
    areas[200:230, 100:130] = 1
    tissue(made, labels, areas, cache=cache)
    # The coarse blocks, once more, are a small part of the pixels.
    assert made.pixels < whole / 5


def test_what_is_broken_off_leaves_no_trace():
    made, cache = network(), ActivationCache()
    labels = islands(np.random.default_rng(0), 200, 200)
    areas = np.zeros_like(labels)
    tissue(made, labels, areas, cache=cache)
    other = labels.copy()
    other[20:30, 20:30] = 3 - other[20:30, 20:30]

    def told(share):
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), torch.inference_mode():
        paint_tissue(made, other, 3, Rerolls(areas_HW=areas, seeds=()), told, cache)
    found = tissue(made, other, areas, cache=cache)
    whole = tissue(made, other, areas)
    torch.testing.assert_close(found.values, whole.values, rtol=0, atol=1e-12)


def test_another_size_begins_anew():
    made, cache = network(), ActivationCache()
    for size in (64, 96, 64):
        labels = islands(np.random.default_rng(size), size, size)
        found = tissue(made, labels, np.zeros_like(labels), cache=cache)
        assert found.exact
        whole = tissue(made, labels, np.zeros_like(labels))
        assert torch.equal(found.values, whole.values)
