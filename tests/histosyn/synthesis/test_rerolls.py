import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import GENERATOR, stripes
from scipy.ndimage import distance_transform_cdt
from tissue import SCHEMA

from histosyn.networks.generator import Generator, draw_noise
from histosyn.synthesis.rerolls import Rerolls, areas_png_bytes, margin, paint_tissue, read_areas
from hpc.errors import DatasetError
from hpc.randomness import key_of


def network(**changes):
    torch.manual_seed(0)
    made = Generator(dataclasses.replace(GENERATOR, **changes), len(SCHEMA)).eval()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return made


def tissue(made, labels, rerolls, seed=3):
    with torch.inference_mode():
        return paint_tissue(made, labels, seed, rerolls).values.numpy()


def none(labels):
    return Rerolls(areas_HW=np.zeros_like(labels), seeds=())


KINDS = [{}, {"upsamplings": 5}, {"upsamplings": 2}, {"pixel_noise": False, "upsamplings": 4},
         {"upsampling": "bilinear", "border": "reflect"}]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_beyond_the_margin_every_pixel_is_kept(kind):
    made, labels = network(**kind), stripes(150, 170)
    areas = np.zeros_like(labels)
    areas[60:81, 70:93] = 1
    areas[75:90, 85:100] = 2
    before = tissue(made, labels, none(labels))
    after = tissue(made, labels, Rerolls(areas_HW=areas, seeds=(11, 12)))
    changed = (before != after).any(axis=(0, 1))
    far = distance_transform_cdt(areas == 0, "chessboard") > margin(made.config)
    assert far.mean() > 0.3
    assert not (changed & far).any()
    assert changed[areas > 0].mean() > 0.9


def test_without_areas_it_is_what_the_network_gives():
    made, labels = network(upsamplings=4), stripes()
    noise = draw_noise([key_of(3, "painting")], made.config, *labels.shape, torch.device("cpu"))
    with torch.inference_mode():
        expected = made(torch.from_numpy(labels).long()[None], noise).numpy()
    np.testing.assert_array_equal(tissue(made, labels, none(labels)), expected)


@settings(max_examples=10)
@given(st.data())
def test_an_area_is_a_function_of_its_own_seed(data):
    """Not of other areas far away, nor of how the areas are numbered."""
    made, labels = network(), stripes(48, 160)
    one, two = np.zeros((2, *labels.shape), np.uint8)
    row = data.draw(st.integers(0, 40))
    one[row : row + 8, 0:20] = 1
    two[row : row + 8, 0:20] = 2
    two[:, 140:] = 1
    first = tissue(made, labels, Rerolls(areas_HW=one, seeds=(5,)))
    second = tissue(made, labels, Rerolls(areas_HW=two, seeds=(6, 5)))
    np.testing.assert_array_equal(first[..., :100], second[..., :100])
    assert (first[..., 140:] != second[..., 140:]).any()


def test_what_is_the_same_all_over_comes_from_the_image():
    """An area that covers everything still has the image's own stain."""
    made, labels = network(), stripes()
    config = made.config
    everywhere = Rerolls(areas_HW=np.ones_like(labels), seeds=(9,))
    own, other = (
        draw_noise([key_of(seed, "painting")], config, *labels.shape, torch.device("cpu"))
        for seed in (3, 9)
    )
    half = config.noise_channels // 2
    entry = torch.cat([own.entry[:, :half], other.entry[:, half:]], 1)
    with torch.inference_mode():
        mixed = dataclasses.replace(other, entry=entry)
        expected = made(torch.from_numpy(labels).long()[None], mixed).numpy()
    np.testing.assert_array_equal(tissue(made, labels, everywhere), expected)


def test_who_is_told_can_end_the_work():
    class EnoughError(Exception):
        pass

    shares = []

    def told(share):
        shares.append(share)
        if len(shares) == 3:
            raise EnoughError

    labels = stripes()
    with pytest.raises(EnoughError):
        paint_tissue(network(), labels, 0, none(labels), told)
    assert shares == [0, 0.25, 0.5]


def test_areas_survive_their_file():
    areas = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = areas_png_bytes(Rerolls(areas_HW=areas, seeds=tuple(range(255))))
    np.testing.assert_array_equal(read_areas(data, "areas.png"), areas)
    with pytest.raises(DatasetError, match="areas.png is no image"):
        read_areas(b"no image", "areas.png")
