"""The yardstick: same tiles, same noise, same number for the same generator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tissue import pack_blobs

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.generator import Generator
from hpc.errors import DatasetError, InputError
from tune.measuring.evaluation import Evaluator
from tune.plan.objective import EARLIER
from tune.plan.settings import SweepConfig

CPU = torch.device("cpu")
SIZE = GeneratorConfig(
    base_channels=4, max_multiplier=4, upsamplings=3, label_channels=8, noise_channels=4
)


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("validation"), count=6, size=32)


@pytest.fixture
def evaluator(validation):
    return evaluator_for(config_for(validation))


def evaluator_for(config):
    return Evaluator(config, EARLIER, CPU)


def config_for(validation, **settings):
    return SweepConfig(validation=validation, **settings)


def generator(seed):
    torch.manual_seed(seed)
    return Generator(SIZE, 3).eval()


def test_a_distance_is_reproducible_and_tells_generators_apart(evaluator, validation):
    first, second = (evaluator.values(generator(seed), 4)["distance"] for seed in (1, 2))

    assert first > 0
    assert first != second
    assert evaluator_for(config_for(validation)).values(generator(1), 4) == {"distance": first}


def test_a_distance_does_not_depend_on_the_batch_size(evaluator):
    distances = [evaluator.values(generator(1), size)["distance"] for size in (1, 4, 6, 100)]

    assert distances == pytest.approx([distances[0]] * 4, rel=1e-3)


def test_the_seed_decides_the_noise_of_each_tile(validation, evaluator):
    other = evaluator_for(config_for(validation, seed=1))
    labels = np.repeat(evaluator.real.labels_NHW[:1], 2, axis=0)
    made = []
    for each in (evaluator, evaluator, other):
        each.real = replace(each.real, labels_NHW=labels)
        made.append(each.synthetic(generator(1), 2))

    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    assert (made[0][0] != made[0][1]).any()


def test_measuring_leaves_the_generator_as_it_was(evaluator):
    network = generator(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    evaluator.values(network, 4)

    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("wanted", "found"), [(4, 4), (256, 6)])
def test_as_many_tiles_as_asked_for_or_there_are(validation, wanted, found):
    few = evaluator_for(config_for(validation, evaluation_tiles=wanted))

    assert few.real.tiles_NHWC.shape == (found, 32, 32, 3)
    assert few.real.labels_NHW.shape == (found, 32, 32)
    assert few.measures["distance"].facts()["extractor"] == "random"


def test_a_single_tile_has_no_distribution(tmp_path):
    shards = pack_blobs(tmp_path, count=1, size=32)

    with pytest.raises(DatasetError, match="a single tile"):
        evaluator_for(config_for(shards))


def test_missing_shards_are_named():
    with pytest.raises(InputError, match="nowhere"):
        evaluator_for(config_for(Path("nowhere")))
