import numpy as np
import openslide
import pytest
from PIL import Image
from slides import damage_tile, tissue, write_slide

from histosyn.annotations.grid import Grid
from histosyn.slides.slide import Slide
from hpc.errors import DatasetError


@pytest.fixture(scope="module")
def image():
    return tissue(600, 900)


@pytest.fixture(scope="module")
def path(tmp_path_factory, image):
    return write_slide(tmp_path_factory.mktemp("slides") / "a.tif", image)


def grid(left, top, step=1.0, size=(100, 120)):
    return Grid(left=left, top=top, step=step, size=size)


def test_size_and_resolution(path):
    with Slide(path) as slide:
        assert slide.size == (600, 900)
        assert slide.mpp == pytest.approx(0.25)
        assert slide.grid_size(2.0) == (300, 450)
        assert slide.grid_size(7.0) == (85, 128)


@pytest.mark.parametrize("mpp", [None, 353.0])
def test_a_slide_that_does_not_know_its_resolution(tmp_path, image, mpp):
    with Slide(write_slide(tmp_path / "a.tif", image[:128, :128], mpp=mpp, levels=1)) as slide:
        assert slide.mpp is None


def test_full_resolution_is_as_stored(path, image):
    with Slide(path) as slide:
        assert np.array_equal(slide.read(grid(130, 77)), image[77:177, 130:250])
        assert np.array_equal(slide.read(grid(0, 0)), image[:100, :120])
        assert np.array_equal(slide.read(grid(780, 500)), image[500:, 780:])


def test_a_level_is_as_stored(path, image):
    half = np.asarray(Image.fromarray(image).reduce(2))
    with Slide(path) as slide:
        assert np.array_equal(slide.read(grid(200, 100, 2.0)), half[50:150, 100:220])


def test_between_levels_windows_fit_together(path, image):
    """They are what resampling the whole slide would give."""
    level = Image.fromarray(image).reduce(2)
    whole = np.asarray(level.resize((300, 200), Image.Resampling.LANCZOS))
    with Slide(path) as slide:
        for left, top in ((0, 0), (50, 30), (180, 100)):
            found = slide.read(grid(left * 3.0, top * 3.0, 3.0))
            expected = whole[top : top + 100, left : left + 120]
            assert np.abs(found.astype(int) - expected).max() <= 1


def test_finer_than_the_slide(path, image):
    with Slide(path) as slide:
        found = slide.read(grid(100, 100, 0.5))
    expected = np.asarray(Image.fromarray(image).resize((1800, 1200), Image.Resampling.LANCZOS))
    assert np.abs(found.astype(int) - expected[200:300, 200:320]).max() <= 1


def test_what_is_no_slide(tmp_path):
    for name, data in (("a.svs", b"no slide"), ("b.tif", b"II*\0" + bytes(50)), ("c.tif", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DatasetError, match=f"{name} .*(is no slide|cannot be opened)"):
            Slide(tmp_path / name)
    with pytest.raises(DatasetError, match="gone"):
        Slide(tmp_path / "gone.svs")


def test_a_damaged_place_is_told_and_the_rest_is_read(tmp_path, image):
    """OpenSlide itself would answer nothing more after an error."""
    path = write_slide(tmp_path / "a.tif", image)
    damage_tile(path, level=0, number=0)
    with Slide(path) as slide:
        with pytest.raises(DatasetError, match=r"a.tif cannot be read at x=0, y=0 \(level 0\)"):
            slide.read(grid(0, 0))
        assert np.array_equal(slide.read(grid(300, 300)), image[300:400, 300:420])
        assert slide.read(grid(0, 0, 2.0)).shape == (100, 120, 3)


def test_where_a_part_of_the_canvas_was_scanned_this_is_the_slide(path, image, monkeypatch):
    """As MIRAX slides have it, and as QuPath counts their pixels."""
    told = {"x": 40, "y": 24, "width": 500, "height": 300}
    with openslide.OpenSlide(path) as file:
        bounds = {f"openslide.bounds-{name}": str(value) for name, value in told.items()}
        properties = dict(file.properties) | bounds
    monkeypatch.setattr(openslide.OpenSlide, "properties", properties)
    with Slide(path) as slide:
        assert slide.size == (300, 500)
        assert np.array_equal(slide.read(grid(10, 20)), image[44:144, 50:170])
        half = np.asarray(Image.fromarray(image).reduce(2))
        assert np.array_equal(slide.read(grid(0, 0, 2.0)), half[12:112, 20:140])


def test_what_was_not_scanned_is_white(tmp_path):
    import tifffile

    path = tmp_path / "a.tif"
    # Tiles that a scanner left out have no bytes.
    write_slide(path, np.zeros((128, 128, 3), np.uint8), levels=1, compression=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages[0]
        for name in ("TileByteCounts", "TileOffsets"):
            page.tags[name].overwrite([0, *page.tags[name].value[1:]])
    with Slide(path) as slide:
        found = slide.read(grid(0, 0, size=(128, 128)))
    assert (found[:64, :64] == 255).all()
    assert not found[64:].any()


@pytest.mark.parametrize("odd", ["", "nan", "0", "-3", "many", "1e400"])
def test_odd_properties_say_nothing(path, monkeypatch, odd):
    names = ("mpp-x", "mpp-y", "bounds-x")
    properties = {f"openslide.{name}": odd for name in names}
    monkeypatch.setattr(openslide.OpenSlide, "properties", properties)
    with Slide(path) as slide:
        assert (slide.mpp, slide.size) == (None, (600, 900))
