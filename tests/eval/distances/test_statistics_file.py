"""Statistics files: ours say how they were made, pytorch-fid's are accepted."""

import numpy as np
import pytest

from eval.distances.feature_set import FeatureSet, distance, measure
from eval.distances.statistics_file import Statistics, read_statistics, write_statistics
from eval.extractors.random_network import RandomExtractor
from eval.features.extractor import Identity
from eval.features.tile_sources import TileArray
from hpc.errors import DatasetError, InputError


@pytest.fixture
def feature_set():
    values = np.random.default_rng(0).integers(0, 256, size=(6, 16, 20, 3), dtype=np.uint8)
    return measure(TileArray(name="memory", tiles_NHWC=values), RandomExtractor(seed=0))


def test_a_round_trip_keeps_everything_but_the_features(feature_set, tmp_path):
    path = tmp_path / "new" / "real.npz"
    write_statistics(path, feature_set)

    read = read_statistics(path)

    assert read.name == str(path)
    assert (read.n, read.tile_size, read.preparation) == (6, (16, 20), "none")
    assert read.identity == feature_set.identity
    assert read.identity.caveat == feature_set.identity.caveat
    assert read.features_ND is None
    assert distance(read, feature_set) == pytest.approx(0, abs=1e-9)


def test_the_file_has_the_layout_of_pytorch_fid(feature_set, tmp_path):
    write_statistics(tmp_path / "real.npz", feature_set)

    with np.load(tmp_path / "real.npz", allow_pickle=False) as archive:
        assert archive["mu"] == pytest.approx(feature_set.features_ND.mean(axis=0))
        assert archive["sigma"] == pytest.approx(np.cov(feature_set.features_ND, rowvar=False))
        assert str(archive["extractor"]) == "random"
        assert int(archive["n"]) == 6
        assert str(archive["version"])


def test_a_file_of_pytorch_fid_has_an_unknown_extractor(tmp_path):
    np.savez_compressed(tmp_path / "theirs.npz", mu=np.zeros(2), sigma=np.eye(2))

    read = read_statistics(tmp_path / "theirs.npz")

    assert (read.n, read.identity, read.tile_size) == (None, None, None)
    assert np.array_equal(read.gaussian.covariance_DD, np.eye(2))


def test_statistics_that_do_not_say_how_they_were_made_are_not_written(tmp_path):
    np.savez(tmp_path / "theirs.npz", mu=np.zeros(2), sigma=np.eye(2))

    with pytest.raises(InputError, match="does not say how it was made"):
        write_statistics(tmp_path / "again.npz", read_statistics(tmp_path / "theirs.npz"))


def damage_nothing(path):
    np.savez(path, mean=np.zeros(2))


def damage_by_truncation(path):
    np.savez(path, mu=np.zeros(2), sigma=np.eye(2))
    path.write_bytes(path.read_bytes()[:100])


def damage_by_pickle(path):
    np.savez(path, mu=np.array([{}], dtype=object), sigma=np.eye(2))


def damage_by_text(path):
    path.write_text("no archive")


def damage_by_single_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def damage_by_shape(path):
    np.savez(path, mu=np.zeros(2), sigma=np.eye(3))


def damage_by_loss_of_one_array(path):
    np.savez(path, mu=np.zeros(2), sigma=np.eye(2), n=6)


def damage_by_nan(path):
    np.savez(path, mu=np.array([0, np.nan]), sigma=np.eye(2))


def no_covariance(value):
    sigma = np.eye(3)
    sigma[0, 1] = value
    return sigma


NUMBERS = {
    "complex mean": (np.zeros(3) + 1j, np.eye(3), "mu holds complex128 values, not real"),
    "complex covariance": (np.zeros(3), np.eye(3) + 1e-30j, "sigma holds complex128 values"),
    "infinite": (np.zeros(3), np.full((3, 3), np.inf), "sigma holds values that are not finite"),
    "beyond float64": (
        np.zeros(3),
        np.eye(3, dtype=np.longdouble) * np.longdouble("1e400"),
        "sigma",
    ),
    "texts": (np.array(["0", "1", "2"]), np.eye(3), "mu holds str32 values"),
    "truths": (np.zeros(3), np.eye(3, dtype=bool), "sigma holds bool values"),
    "dates": (np.zeros(3, "datetime64[s]"), np.eye(3), "mu holds datetime64"),
    "not symmetric": (np.zeros(3), no_covariance(0.1), "the covariance is not symmetric"),
    "negative variance": (np.zeros(3), np.diag([1, 1, -0.1]), "a negative variance, -0.1"),
    "empty": (np.zeros(0), np.zeros((0, 0)), "the covariance is empty"),
    "a row for a mean": (np.zeros((1, 3)), np.eye(3), r"mu has the shape \(1, 3\)"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_no_mean_and_covariance_are_refused_by_name(name, tmp_path):
    mean, covariance, match = NUMBERS[name]
    np.savez(tmp_path / "real.npz", mu=mean, sigma=covariance)

    with pytest.raises(DatasetError, match=rf"real\.npz cannot be read .*{match}"):
        read_statistics(tmp_path / "real.npz")


def test_what_only_the_distance_finds_is_told_of_the_file_as_well(tmp_path):
    for name, covariance in (("a", [[1, 2], [2, 1]]), ("b", np.eye(2)), ("c", np.eye(2) * 1e308)):
        np.savez(tmp_path / f"{name}.npz", mu=np.zeros(2), sigma=np.array(covariance, float))
    a, b, c = (read_statistics(tmp_path / f"{name}.npz") for name in "abc")

    with pytest.raises(InputError, match=r"a\.npz: the covariance has a negative eigenvalue, -1:"):
        distance(b, a)
    with pytest.raises(InputError, match="too large: "):
        distance(b, c)


def test_rounding_of_others_is_none_of_these(tmp_path):
    """float32, and a singular covariance with eigenvalues a little below 0."""
    x = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    np.savez(tmp_path / "a.npz", mu=x.mean(0), sigma=np.cov(x.T).astype(np.float32))

    read = read_statistics(tmp_path / "a.npz")

    assert distance(read, read) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "damage",
    [
        damage_nothing,
        damage_by_truncation,
        damage_by_pickle,
        damage_by_text,
        damage_by_single_array,
        damage_by_shape,
        damage_by_loss_of_one_array,
        damage_by_nan,
    ],
)
def test_other_files_are_refused(damage, tmp_path):
    path = tmp_path / "real.npz"
    damage(path)

    with pytest.raises(DatasetError, match=r"real\.npz cannot be read as a statistics file"):
        read_statistics(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_statistics(tmp_path / "nowhere.npz")


def write_small_of_ours(path):
    small = FeatureSet(
        name="small",
        n=6,
        summary=Statistics(mean_D=np.arange(2.0), covariance_DD=np.eye(2)),
        identity=Identity(name="random", weights_sha256="0" * 64, preprocessing="none"),
        tile_size=(3, 4),
        preparation="none",
    )
    write_statistics(path, small)


def write_small_of_theirs(path):
    np.savez(path, mu=np.arange(2.0), sigma=np.eye(2))


@pytest.mark.parametrize("write", [write_small_of_ours, write_small_of_theirs])
@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_a_flipped_byte_is_noticed_or_does_no_harm(write, mask, tmp_path):
    path = tmp_path / "real.npz"
    write(path)
    whole, sound = path.read_bytes(), read_statistics(path)
    noticed = 0

    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        try:
            read = read_statistics(path)
        except DatasetError as error:
            assert str(path) in str(error)
            noticed += 1
        else:
            assert np.array_equal(read.gaussian.mean_D, sound.gaussian.mean_D)
            assert np.array_equal(read.gaussian.covariance_DD, sound.gaussian.covariance_DD)
            # A zip directory cut short after sigma looks like pytorch-fid's; reports say so.
            assert read.identity in (sound.identity, None)

    assert noticed > len(whole) / 4
