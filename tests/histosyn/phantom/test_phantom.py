import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_erosion

from histosyn.images.tiles import read_png_text, read_tile
from histosyn.labels.label_map import load_schema, read_label_map
from histosyn.phantom import TILES_PER_PATIENT, render_phantom, write_phantom
from histosyn.phantom.fields import Ellipses, coverage, smooth_noise, stamp, streaks
from histosyn.phantom.tissue import BACKGROUND, EPITHELIUM, NUCLEI, STROMA
from histosyn.sources.tile_facts import read_tile_facts
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden"
SCHEMA = load_schema("prostate-3")


@pytest.fixture(scope="module")
def many():
    """Every fourth of 128 tiles, so that 16 patients are among them: tiles and labels (32, ...)."""
    pairs = [render_phantom(0, index, 128) for index in range(0, 128, 4)]
    return tuple(np.stack(part) for part in zip(*pairs, strict=True))


@pytest.mark.parametrize("size", [64, 96, 256])
def test_a_tile_and_its_labels_have_the_size_asked_for(size):
    tile, labels = render_phantom(3, 1, size)
    assert tile.shape == (size, size, 3)
    assert tile.dtype == np.uint8
    assert labels.shape == (size, size)
    assert labels.dtype == np.uint8
    assert labels.max() < len(SCHEMA)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(-(2**40), 2**40), index=st.integers(0, 10**9))
def test_a_tile_is_a_function_of_seed_and_index(seed, index):
    first, second = render_phantom(seed, index, 64), render_phantom(seed, index, 64)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    for other in ((seed + 1, index), (seed, index + 1)):
        assert (render_phantom(*other, 64)[0] != first[0]).any()


def test_class_indices_are_those_of_the_schema():
    names = [item.name for item in SCHEMA.classes]
    assert [names[i] for i in (BACKGROUND, STROMA, EPITHELIUM, NUCLEI)] == [
        "background",
        "non-epithelium",
        "epithelium",
        "nuclei",
    ]


def test_colours_and_shares_are_those_of_real_tissue(many):
    tiles, labels = many
    real = json.loads((GOLDEN / "glas_class_colors.json").read_text())
    for index, item in enumerate(SCHEMA.classes):
        mean = tiles[labels == index].mean(axis=0)
        assert np.abs(mean - real["mean_rgb"][item.name]).max() < 25, item.name
        share = (labels == index).mean()
        assert 0.3 < share / real["share"][item.name] < 2, item.name


def test_labels_fit_the_pixels(many):
    tiles, labels = many
    deep = {
        index: tiles[np.stack([binary_erosion(one == index, np.ones((3, 3))) for one in labels])]
        for index in range(len(SCHEMA))
    }
    # Nothing but lumen and glass is white, and no nucleus is pale: whatever the stain.
    assert (deep[BACKGROUND].min(axis=1) > 200).mean() > 0.99
    assert (deep[STROMA].min(axis=1) > 225).mean() < 0.01
    assert deep[NUCLEI][:, 0].mean() < deep[EPITHELIUM][:, 0].mean() - 40
    assert deep[NUCLEI][:, 0].mean() < deep[STROMA][:, 0].mean() - 40


def test_tiles_of_a_patient_are_stained_alike():
    def mean_white_and_pink(index):
        tile, labels = render_phantom(0, index, 128)
        return tile[labels == STROMA].mean(axis=0)

    colors = np.array([mean_white_and_pink(index) for index in range(4 * TILES_PER_PATIENT)])
    grouped = colors.reshape(4, TILES_PER_PATIENT, 3)
    within = grouped.std(axis=1).mean()
    between = grouped.mean(axis=1).std(axis=0).mean()
    assert between > within


def test_folders_hold_what_was_rendered(tmp_path):
    out = tmp_path / "made"
    write_phantom(out, count=9, size=64, seed=5)
    for index in range(9):
        tile, labels = render_phantom(5, index, 64)
        name = f"phantom-{index:05d}.png"
        np.testing.assert_array_equal(read_tile(out / "tiles" / name), tile)
        np.testing.assert_array_equal(read_label_map(out / "labels" / name, SCHEMA), labels)
        with Image.open(out / "labels" / name) as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.asarray(image), labels)
    assert "seed 5, tile 8" in read_png_text(out / "tiles" / name)["Source"]


def test_patients_can_be_read_as_groups(tmp_path):
    out = tmp_path / "made"
    write_phantom(out, count=9, size=64, seed=0)
    with (out / "phantom.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["tile", "patient"]
    groups = read_tile_facts(out / "phantom.csv")
    assert [groups[f"phantom-{index:05d}"].group for index in (0, 7, 8)] == [
        "patient-000",
        "patient-000",
        "patient-001",
    ]


def test_more_tiles_are_the_same_ones_and_more(tmp_path):
    for count in (2, 3):
        write_phantom(tmp_path / str(count), count=count, size=64, seed=1)
    fewer = sorted(path.relative_to(tmp_path / "2") for path in (tmp_path / "2").rglob("*.png"))
    assert len(fewer) == 4
    for path in fewer:
        assert (tmp_path / "2" / path).read_bytes() == (tmp_path / "3" / path).read_bytes()


def test_an_empty_folder_is_filled_and_a_full_one_left_alone(tmp_path):
    write_phantom(tmp_path / "a", count=1, size=64, seed=0)
    with pytest.raises(InputError, match=r"exists already\. Remove it or choose another name"):
        write_phantom(tmp_path / "a", count=1, size=64, seed=1)
    (tmp_path / "b").mkdir()
    write_phantom(tmp_path / "b", count=1, size=64, seed=0)
    name = Path("tiles/phantom-00000.png")
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_interrupted_run_leaves_nothing(tmp_path):
    def interrupted(indices):
        yield indices[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "a", count=3, size=64, seed=0, track=interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"size": 32}, "at least 64"),
        ({"count": 0}, "count is 0"),
    ],
)
def test_impossible_requests_say_what_is_possible(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        write_phantom(tmp_path / "a", **{"count": 1, "size": 64, "seed": 0} | wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scale", [1.3, 4.0, 20.0])
def test_smooth_noise_has_unit_variance(scale):
    rng = np.random.default_rng(0)
    squares = [np.square(smooth_noise(rng, 64, scale)).mean() for _ in range(400)]
    assert np.mean(squares) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("angle", [0.0, np.pi / 4, np.pi / 2])
def test_streaks_run_along_the_direction(angle):
    rng = np.random.default_rng(0)
    field = streaks(rng.standard_normal((1, 96, 96)), np.full((96, 96), angle))[0]
    assert field.std() == pytest.approx(1.0)

    def correlation(direction):
        dx, dy = np.rint(6 * np.array([np.cos(direction), np.sin(direction)])).astype(int)
        inner = field[16:80, 16:80]
        return (inner * field[16 + dy : 80 + dy, 16 + dx : 80 + dx]).mean()

    assert correlation(angle) > 0.3
    assert abs(correlation(angle + np.pi / 2)) < 0.15


@settings(max_examples=50, deadline=None)
@given(
    length=st.floats(2, 9),
    ratio=st.floats(0.4, 1),
    angle=st.floats(-7, 7),
    x=st.floats(14, 18),
    y=st.floats(14, 18),
)
def test_a_stamped_ellipse_has_its_area(length, ratio, angle, x, y):
    numbers = {"x": x, "y": y, "length": length, "width": length * ratio, "angle": angle}
    one = Ellipses(**{name: np.array([value]) for name, value in numbers.items()})
    marks = stamp(one, 32)
    cover = marks.highest(coverage(marks.depth))
    assert cover.sum() == pytest.approx(np.pi * length**2 * ratio, rel=0.12, abs=1.0)
    assert (cover >= 0).all()
    assert (cover <= 1).all()
