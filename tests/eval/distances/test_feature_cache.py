"""Cached features: found by content, never out of date, and damage is noticed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.distances.feature_cache import FeatureCache, default_folder
from eval.distances.report import Settings, distance_between, open_side
from eval.extractors.random_network import RandomExtractor


class Counting:
    """An extractor that counts the tiles it sees."""

    def __init__(self, seed=0):
        self.inner = RandomExtractor(seed=seed)
        self.identity, self.dimension = self.inner.identity, self.inner.dimension
        self.device, self.seen = self.inner.device, 0

    def __call__(self, tiles_NHWC):
        self.seen += len(tiles_NHWC)
        return self.inner(tiles_NHWC)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiles").mkdir()
    values = np.random.default_rng(0).integers(0, 256, size=(12, 16, 16, 3), dtype=np.uint8)
    for number, tile in enumerate(values):
        Image.fromarray(tile).save(tmp_path / "tiles" / f"{number}.png")
    return tmp_path / "tiles"


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(folder=tmp_path / "cache")


def measured(folder, cache, *, seed=0, resize=None, **options):
    """How many tiles were measured, and the result."""
    extractor, side = Counting(seed), open_side(folder, resize=resize)
    result = distance_between(side, side, extractor, Settings(cache=cache, **options))
    return extractor.seen, result


def files(cache):
    """Those with the features, without those with the spectra that are kept beside them."""
    return sorted(path for path in cache.folder.glob("*.npz") if extractor_in(path) != "spectrum")


def extractor_in(path):
    with np.load(path) as archive:
        return str(archive["extractor"])


def test_the_second_run_measures_nothing_and_says_the_same(folder, cache):
    first, second = measured(folder, cache), measured(folder, cache)

    assert (first[0], second[0]) == (12, 0)
    assert first[1] == second[1]
    assert len(files(cache)) == 1


def test_the_folder_may_have_moved(folder, cache):
    measured(folder, cache)

    moved = folder.rename(folder.with_name("moved"))

    assert measured(moved, cache)[0] == 0


def test_whatever_determines_features_is_in_the_key(folder, cache):
    measured(folder, cache)

    assert measured(folder, cache, seed=1)[0] == 12
    assert measured(folder, cache, resize=20)[0] == 12
    Image.new("RGB", (16, 16)).save(folder / "3.png")
    assert measured(folder, cache)[0] == 12
    (folder / "3.png").rename(folder / "03.png")
    assert measured(folder, cache)[0] == 12
    assert len(files(cache)) == 5
    assert measured(folder, cache, batch_size=5)[0] == 0


def test_a_damaged_file_is_noticed_and_replaced(folder, cache, caplog):
    expected = measured(folder, cache)[1]
    (path,) = files(cache)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", flipped(whole, len(whole) // 2)):
        path.write_bytes(damaged)
        caplog.clear()

        seen, result = measured(folder, cache)

        assert seen == 12
        assert result == expected
        assert f"{path.name} cannot be read" in caplog.text
        assert measured(folder, cache)[0] == 0


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_no_flipped_bit_changes_a_number(folder, cache):
    expected = measured(folder, cache)[1]
    (path,) = files(cache)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(len(whole) // 60, 1)):
        path.write_bytes(flipped(whole, at))

        assert measured(folder, cache)[1].numbers == expected.numbers


def test_another_file_of_that_name_is_noticed(folder, cache):
    measured(folder, cache)
    (of_seed_0,) = files(cache)
    measured(folder, cache, seed=1)
    (of_seed_1,) = set(files(cache)) - {of_seed_0}
    of_seed_1.write_bytes(of_seed_0.read_bytes())

    assert measured(folder, cache, seed=1)[0] == 12


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")

    seen, result = measured(folder, FeatureCache(folder=tmp_path / "file"))

    assert seen == 24
    assert result.numbers[0].value == pytest.approx(0, abs=1e-9)


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "histosyn" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "histosyn" / "features"
