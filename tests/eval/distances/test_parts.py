"""Tiles measured in parts give the report that one process gives."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ranks import run_ranks
from tissue import pack_blobs

from eval.distances.feature_cache import FeatureCache
from eval.distances.part_file import part_path, read_part, write_part
from eval.distances.parts import measure_part, rows_of
from eval.distances.report import Settings, distance_between, distance_of_parts, open_side
from eval.distances.spectrum import extractors_of
from eval.extractors.random_network import RandomExtractor
from hpc.errors import DatasetError, InputError
from hpc.job_array import Part

COUNT = 3
BATCH = 4


@pytest.fixture(scope="module")
def extractor():
    return RandomExtractor(seed=0)


@pytest.fixture
def sides(tmp_path):
    """Folders of 17 and 10 tiles, some in a sub-folder, and what measures them."""
    for seed, (name, tiles) in enumerate({"real": 17, "synthetic": 10}.items()):
        (tmp_path / name / "sub").mkdir(parents=True)
        random = np.random.default_rng(seed)
        for number in range(tiles):
            pixels = random.integers(0, 200 + 50 * seed, size=(40, 40, 3), dtype=np.uint8)
            place = "sub/x-" if number % 3 else ""
            Image.fromarray(pixels).save(tmp_path / name / f"{place}{number}.png")
    return {"real": open_side(tmp_path / "real"), "synthetic": open_side(tmp_path / "synthetic")}


def measure_all(sides, extractor, folder, count=COUNT, roles=("real", "synthetic")):
    for role in roles:
        for number in range(1, count + 1):
            part = Part(number=number, count=count)
            for left, each in extractors_of(role, sides, extractor).items():
                measured = measure_part(sides[role], each, part, batch_size=BATCH)
                write_part(part_path(folder, left, measured), measured)


def alone(sides, extractor, **options):
    settings = Settings(batch_size=BATCH, **options)
    return distance_between(sides["real"], sides["synthetic"], extractor, settings)


def together(sides, folder, **options):
    return distance_of_parts(sides["real"], sides["synthetic"], folder, Settings(**options))


@given(total=st.integers(0, 500), count=st.integers(1, 40), batch_size=st.integers(1, 64))
def test_parts_are_whole_batches_in_order(total, count, batch_size):
    rows = [rows_of(Part(number=i + 1, count=count), total, batch_size) for i in range(count)]

    assert [row for part in rows for row in part] == list(range(total))
    assert all(part.start % batch_size == 0 for part in rows if part)
    assert all(len(part) % batch_size == 0 for part in rows if part and part.stop < total)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_report_is_that_of_one_process(sides, extractor, tmp_path, count):
    """The floor and the content too; eight parts of five and of three batches: some are empty."""
    measure_all(sides, extractor, tmp_path / "parts", count)

    expected = alone(sides, extractor, seed=3)
    found = together(sides, tmp_path / "parts", seed=3)

    assert found == replace(expected, settings=expected.settings | {"parts": count})


def assert_same_numbers(found, expected):
    assert [number.name for number in found.numbers] == [n.name for n in expected.numbers]
    for one, other in zip(found.numbers, expected.numbers, strict=True):
        assert (one.value is None) == (other.value is None), one.name
        if one.value is not None:
            expected = [other.value, *(other.interval or ())]
            found = [one.value, *(one.interval or ())]
            assert found == pytest.approx(expected, rel=1e-10, abs=1e-12), one.name


def test_where_features_are_too_many_to_keep(sides, extractor, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.distances.feature_set.KEPT_NUMBERS", 14 * extractor.dimension)
    measure_all(sides, extractor, tmp_path / "parts")

    expected, found = alone(sides, extractor), together(sides, tmp_path / "parts")

    assert_same_numbers(found, expected)
    assert found.numbers[0].interval is None
    assert found.inputs == expected.inputs


@pytest.mark.parametrize("kept", [1 << 27, 14 * 384])
def test_ranks_give_the_numbers_of_one_process(sides, extractor, tmp_path, kept, monkeypatch):
    (tmp_path / "real" / "0.png").write_bytes(b"damaged")
    paths = [str(tmp_path / role) for role in sides]
    results = run_ranks(2, measure_on_a_rank, paths, str(tmp_path / "cache"), kept)
    monkeypatch.setattr("eval.distances.feature_set.KEPT_NUMBERS", kept)

    expected = measure_on_a_rank(paths, str(tmp_path / "cache of one"), kept)

    for found in results:
        assert_same_numbers(found, expected)
        assert found.inputs == expected.inputs
        assert found.warnings == expected.warnings
    assert_same_numbers(measure_on_a_rank(paths, str(tmp_path / "cache"), kept), expected)


def measure_on_a_rank(paths, cache, kept):
    from eval.distances import feature_set

    feature_set.KEPT_NUMBERS = kept
    sides = [open_side(Path(path), on_bad_tile="skip") for path in paths]
    settings = Settings(batch_size=BATCH, cache=FeatureCache(folder=Path(cache)))
    return distance_between(*sides, RandomExtractor(seed=0), settings)


def test_what_is_wrong_on_one_rank_is_told_on_all(sides, tmp_path):
    for damaged in ("0.png", "sub/x-8.png"):
        (tmp_path / "real" / damaged).write_bytes(b"damaged")
    paths = [str(tmp_path / role) for role in sides]

    messages = run_ranks(2, error_on_a_rank, paths)

    assert messages[0] == messages[1]
    assert all(f"{name} is no image" in messages[0] for name in ("0.png", "x-8.png"))
    assert "2 of 17 tiles cannot be measured" in messages[0]


def error_on_a_rank(paths):
    sides = [open_side(Path(path)) for path in paths]
    try:
        distance_between(*sides, RandomExtractor(seed=0), Settings(batch_size=BATCH))
    except DatasetError as error:
        return str(error)


def test_shards_and_a_statistics_file(sides, extractor, tmp_path):
    shards = open_side(pack_blobs(tmp_path, count=10, size=40))
    alone(sides, extractor, save_statistics=tmp_path / "saved")
    sides = {"real": open_side(tmp_path / "saved" / "real.npz"), "synthetic": shards}
    measure_all(sides, extractor, tmp_path / "parts", roles=("synthetic",))

    expected = alone(sides, extractor)
    found = together(sides, tmp_path / "parts")

    assert found == replace(expected, settings=expected.settings | {"parts": COUNT})


def test_statistics_can_be_saved_of_parts(sides, extractor, tmp_path):
    measure_all(sides, extractor, tmp_path / "parts")
    value = together(sides, tmp_path / "parts", save_statistics=tmp_path / "saved").numbers[0].value

    saved = [open_side(tmp_path / "saved" / f"{role}.npz") for role in sides]

    assert distance_between(*saved, None).numbers[0].value == pytest.approx(value, rel=1e-6)


def test_a_missing_part_is_named(sides, extractor, tmp_path):
    with pytest.raises(InputError, match="holds no parts of the real tiles"):
        together(sides, tmp_path)
    measure_all(sides, extractor, tmp_path / "parts")
    (tmp_path / "parts" / "synthetic-2-of-3.npz").unlink()

    with pytest.raises(InputError, match="lacks 1 of the 3 parts of the synthetic tiles.*2/3"):
        together(sides, tmp_path / "parts")


def test_parts_of_two_divisions_are_not_mixed(sides, extractor, tmp_path):
    for count in (2, 3):
        measure_all(sides, extractor, tmp_path / "parts", count)

    with pytest.raises(InputError, match="parts of 2 and of 3"):
        together(sides, tmp_path / "parts")


def test_parts_measured_differently_are_not_mixed(sides, extractor, tmp_path):
    measure_all(sides, extractor, tmp_path / "parts")
    other = measure_part(
        sides["real"], RandomExtractor(seed=1), Part(number=2, count=3), batch_size=BATCH
    )
    write_part(part_path(tmp_path / "parts", "real", other), other)

    with pytest.raises(InputError, match="Parts 1/3 and 2/3 .* differ in their extractor"):
        together(sides, tmp_path / "parts")


def test_tiles_that_came_or_went_meanwhile_are_noticed(sides, extractor, tmp_path):
    measure_all(sides, extractor, tmp_path / "parts")
    shutil.copy(tmp_path / "real/0.png", tmp_path / "real/new.png")
    sides["real"] = open_side(tmp_path / "real")

    with pytest.raises(InputError, match="not those of the tiles .*real holds now"):
        together(sides, tmp_path / "parts")


def test_a_tile_that_was_replaced_meanwhile_is_noticed(sides, extractor, tmp_path):
    measure_all(sides, extractor, tmp_path / "parts")
    shutil.copy(tmp_path / "real/0.png", tmp_path / "synthetic/sub/x-1.png")

    with pytest.raises(InputError, match=r"1 of 10 files have changed, first sub/x-1\.png"):
        together(sides, tmp_path / "parts")


def test_sizes_that_differ_between_parts_are_an_error(sides, extractor, tmp_path):
    Image.new("RGB", (32, 24)).save(tmp_path / "real/sub/x-16.png")
    with pytest.raises(DatasetError, match="Pass --resize"):
        measure_all(sides, extractor, tmp_path / "parts", count=4)
        together(sides, tmp_path / "parts")


def test_a_damaged_part_is_named(sides, extractor, tmp_path):
    measure_all(sides, extractor, tmp_path / "parts")
    path = tmp_path / "parts" / "real-1-of-3.npz"
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DatasetError, match=r"real-1-of-3\.npz cannot be read"):
            read_part(path)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("features", lambda features: features + 1j, "features holds complex128 values"),
        ("features", lambda features: features * np.nan, "features holds values that are not fin"),
        ("mean", lambda mean: mean + 1j, "mean holds complex"),
        ("mean", lambda mean: mean[1:], "mean has the shape"),
        ("scatter", lambda scatter: -scatter, "scatter: the covariance has a negative variance"),
        ("scatter", lambda scatter: np.triu(scatter), "scatter: the covariance is not symmetric"),
    ],
)
def test_numbers_that_cannot_be_are_a_damaged_part(
    sides, extractor, tmp_path, monkeypatch, name, change, match
):
    monkeypatch.setattr("eval.distances.feature_set.KEPT_NUMBERS", 4 * extractor.dimension)
    measure_all(sides, extractor, tmp_path / "parts")
    path = tmp_path / "parts" / "real-1-of-3.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    del arrays["sha256_of_arrays"]  # older versions wrote none
    np.savez(path, **arrays | {name: change(arrays[name])})

    with pytest.raises(DatasetError, match=rf"real-1-of-3\.npz cannot be read .*{match}"):
        read_part(path)


def test_a_tile_that_is_replaced_while_it_is_measured_is_told(sides, extractor, tmp_path):
    """Its digest would be that of the tile that was there before."""

    class Replacing:
        identity, dimension, device = extractor.identity, extractor.dimension, extractor.device

        def __call__(self, tiles_NHWC):
            Image.new("RGB", (40, 40)).save(tmp_path / "new.png")
            (tmp_path / "new.png").replace(tmp_path / "real" / "0.png")
            return extractor(tiles_NHWC)

    with pytest.raises(InputError, match=r"0\.png was replaced or changed while it was read"):
        measure_part(sides["real"], Replacing(), Part(number=1, count=1), batch_size=BATCH)
