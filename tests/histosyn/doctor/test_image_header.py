import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from histosyn.doctor.image_header import read_header

CENTIMETER = 3


def saved(path, **options):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path, **options)
    return path


@given(st.floats(0.06, 9.9))
def test_microns_per_pixel_come_back(tmp_path_factory, mpp):
    folder = tmp_path_factory.mktemp("files")
    for suffix in ("tif", "png"):
        path = saved(folder / f"a.{suffix}", dpi=(25400 / mpp, 25400 / mpp))
        assert read_header(path).mpp == pytest.approx(mpp, rel=1e-3)


def test_centimetres_are_a_unit(tmp_path):
    path = saved(tmp_path / "a.tif", resolution_unit="cm", resolution=40_000)
    assert read_header(path).mpp == pytest.approx(0.25)


def test_without_a_unit_there_is_no_resolution(tmp_path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[282], info[283], info[296] = 40_000.0, 40_000.0, 1
    assert read_header(saved(tmp_path / "a.tif", tiffinfo=info)).mpp is None


@pytest.mark.parametrize("dpi", [(72, 72), (96, 96), (300, 300), (1e7, 1e7), (50_000, 70_000)])
def test_implausible_resolutions_are_none(tmp_path, dpi):
    assert read_header(saved(tmp_path / "a.tif", dpi=dpi)).mpp is None


def test_a_bitmap_has_defaults_of_programs_only(tmp_path):
    assert read_header(saved(tmp_path / "a.bmp", dpi=(50_000, 50_000))).mpp is None


def test_what_is_no_image_says_nothing(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"no image")
    assert read_header(path).mpp is None
    assert not read_header(path).deep
    assert read_header(tmp_path / "none.png").mpp is None
