"""The yardstick: same tiles, same noise, same number for the same generator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tissue import pack_blobs

from histosyn.config.train import GeneratorConfig
from histosyn.networks.generator import Generator
from hpc.errors import DatasetError, InputError
from tune.config import SweepConfig
from tune.evaluation import Evaluator, SyntheticTiles

CPU = torch.device("cpu")
SIZE = GeneratorConfig(
    base_channels=4, max_multiplier=4, upsamplings=3, label_channels=8, noise_channels=4
)


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("validation"), count=6, size=32)


@pytest.fixture(scope="module")
def evaluator(validation):
    return Evaluator(config_for(validation), CPU)


def config_for(validation, **settings):
    return SweepConfig(validation=validation, **settings)


def generator(seed):
    torch.manual_seed(seed)
    return Generator(SIZE, 3).eval()


def test_a_distance_is_reproducible_and_tells_generators_apart(evaluator, validation):
    first, second = (evaluator.distance(generator(seed), 4) for seed in (1, 2))

    assert first > 0
    assert first != second
    assert Evaluator(config_for(validation), CPU).distance(generator(1), 4) == first


def test_a_distance_does_not_depend_on_the_batch_size(evaluator):
    distances = [evaluator.distance(generator(1), size) for size in (1, 4, 6, 100)]

    assert distances == pytest.approx([distances[0]] * 4, rel=1e-3)


def test_the_seed_decides_the_noise_of_each_tile(evaluator):
    labels = np.repeat(evaluator.labels_NHW[:1], 2, axis=0)
    sources = [
        SyntheticTiles(generator=generator(1), labels_NHW=labels, seed=seed) for seed in (0, 0, 1)
    ]
    tiles = [next(source.batches(2)).tiles_NHWC for source in sources]

    assert (tiles[0] == tiles[1]).all()
    assert (tiles[0] != tiles[2]).any()
    assert (tiles[0][0] != tiles[0][1]).any()


def test_measuring_leaves_the_generator_as_it_was(evaluator):
    network = generator(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    evaluator.distance(network, 4)

    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("wanted", "found"), [(4, 4), (256, 6)])
def test_as_many_tiles_as_asked_for_or_there_are(validation, wanted, found):
    few = Evaluator(config_for(validation, evaluation_tiles=wanted), CPU)

    assert few.real.n == found == len(few.labels_NHW)
    assert few.real.identity.name == "random"
    assert few.real.tile_size == (32, 32)


def test_a_single_tile_has_no_distribution(tmp_path):
    shards = pack_blobs(tmp_path, count=1, size=32)

    with pytest.raises(DatasetError, match="a single tile"):
        Evaluator(config_for(shards), CPU)


def test_missing_shards_are_named():
    with pytest.raises(InputError, match="nowhere"):
        Evaluator(config_for(Path("nowhere")), CPU)
