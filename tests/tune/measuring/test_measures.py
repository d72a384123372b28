"""Measures of trials are those of the `eval` commands, of tiles in memory."""

import numpy as np
import pytest
import torch
from colour_segmenter import colour_segmenter
from PIL import Image
from tissue import pack_blobs

from eval.distances.feature_set import distance, measure
from eval.extractors.choice import open_extractor
from eval.features.tile_sources import TileArray, TileFolder
from eval.segmenter.confusion import confusions_of_tiles
from eval.segmenter.labelled_tiles import ShardTiles
from eval.segmenter.pixel_scores import class_scores
from eval.two_samples.report import Settings, two_sample_test
from hpc.errors import InputError
from tune.measuring import measures
from tune.measuring.evaluation import Evaluator
from tune.measuring.measures import RealTiles, open_measure, yardstick_of
from tune.plan.objective import EARLIER, C2stConfig, DistanceConfig, FaithfulnessConfig
from tune.plan.settings import SweepConfig

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("validation"), count=8, size=32)


@pytest.fixture(scope="module")
def real(shards):
    found = Evaluator(SweepConfig(validation=shards), EARLIER, CPU).real
    assert [name.startswith("group tile-0") for name in found.group_names] == [True] * 8
    return RealTiles(
        name=found.name,
        tiles_NHWC=found.tiles_NHWC,
        labels_NHW=found.labels_NHW,
        groups=(None,) * 8,
        schema=found.schema,
    )


@pytest.fixture(scope="module")
def synthetic(real):
    noise = np.random.default_rng(0).integers(-60, 60, real.tiles_NHWC.shape)
    return np.clip(real.tiles_NHWC.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["random", "efficientnet-lite2"])
def test_the_distance_is_that_of_eval_fid(real, synthetic, name):
    measuring = open_measure(DistanceConfig(extractor=name), real, 0, CPU)
    extractor = open_extractor(name)
    sides = [measure(TileArray(name="x", tiles_NHWC=tiles), extractor)
             for tiles in (real.tiles_NHWC, synthetic)]  # fmt: skip

    assert measuring.value(synthetic, 8) == pytest.approx(distance(*sides), rel=1e-9)
    assert measuring.facts()["weights_sha256"] == extractor.identity.weights_sha256
    assert yardstick_of("distance", measuring).name == "real_versus_real_floor"


def test_the_auc_is_that_of_eval_c2st(real, synthetic, tmp_path):
    for side, tiles in (("real", real.tiles_NHWC), ("synthetic", synthetic)):
        (tmp_path / side).mkdir()
        for number, tile in enumerate(tiles):
            Image.fromarray(tile).save(tmp_path / side / f"{number}.png")
    sides = (TileFolder(folder=tmp_path / side) for side in ("real", "synthetic"))
    result = two_sample_test(*sides, open_extractor("random"), Settings())
    expected = {number.name: number.value for number in result.numbers}

    for features in ("network", "texture"):
        config = C2stConfig(features=features, extractor="random", scale=2)
        value = open_measure(config, real, 0, CPU).value(synthetic, 8)
        assert value == pytest.approx(expected[f"auc_{features}_scale_2"], rel=1e-9), features


def test_faithfulness_is_that_of_eval(shards, real, synthetic, monkeypatch):
    """Of all tiles together, whatever their order."""
    segmenter = colour_segmenter()
    monkeypatch.setattr(measures, "load_segmenter", lambda *_: segmenter)
    found = class_scores(
        confusions_of_tiles(segmenter, ShardTiles(shards), batch_size=4).confusion_TKK.sum(axis=0)
    )
    for score in ("mean_dice", "mean_iou"):
        config = FaithfulnessConfig(segmenter="unused", score=score)
        measuring = open_measure(config, real, 0, CPU)
        assert yardstick_of("faithfulness", measuring).value == getattr(found, score)
        assert measuring.value(real.tiles_NHWC, 3) == getattr(found, score)
        assert measuring.value(synthetic, 8) < getattr(found, score)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DistanceConfig(extractor="incepton"), "No extractor is called 'incepton'"),
        (FaithfulnessConfig(segmenter="nowhere"), "nowhere"),
        (C2stConfig(scale=8), "objective.c2st.scale = 8: tiles of 32x32 pixels are narrower"),
    ],
)
def test_what_is_not_there_is_told_before_a_trial_asks_for_it(real, config, message):
    with pytest.raises(InputError, match=message):
        open_measure(config, real, 0, CPU)
