import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from histosyn.images.resolution import resolution_of

PLAUSIBLE = st.floats(0.06, 9.9)


def saved(kind, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(description, across=None, down=None, unit=None):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = description
    for tag, value in ((282, across), (283, down), (296, unit)):
        if value is not None:
            tags[tag] = value
    return saved("TIFF", tiffinfo=tags)


@given(PLAUSIBLE, st.sampled_from(["PNG", "TIFF"]))
def test_dots_per_inch_become_microns_per_pixel(mpp, kind):
    data = saved(kind, dpi=(25_400 / mpp, 25_400 / mpp))
    assert resolution_of(data) == pytest.approx(mpp, rel=1e-3)


@pytest.mark.parametrize("dpi, mpp", [(50_800, 0.5), (12_700, 2.0)])
def test_a_jpeg_has_a_density(tmp_path, dpi, mpp):
    path = tmp_path / "x.jpg"
    path.write_bytes(saved("JPEG", dpi=(dpi, dpi)))
    assert resolution_of(path) == resolution_of(str(path)) == pytest.approx(mpp)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("dpi", [(72, 72), (96, 96), (300, 300), (2400, 2400), (50_000, 60_000)])
def test_what_programs_write_that_know_of_none_is_none(kind, dpi):
    assert resolution_of(saved(kind, dpi=dpi)) is None


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "BMP", "WEBP", "GIF"])
def test_no_resolution_is_none(kind):
    assert resolution_of(saved(kind)) is None


@pytest.mark.parametrize("unit", ["micron", "um", "\u00b5m".encode().decode(), "\\u00B5m"])
def test_imagej_says_its_unit_in_the_description(unit):
    data = tiff(f"ImageJ=1.54f\nunit={unit}\n".encode(), across=4.0, down=4.0, unit=1)
    assert resolution_of(data) == pytest.approx(0.25)


def test_another_unit_of_imagej_is_not_microns():
    assert resolution_of(tiff("ImageJ=1.54f\nunit=pixel\n", 4.0, 4.0, 1)) is None


def test_centimetres():
    assert resolution_of(tiff("", 20_000.0, 20_000.0, 3)) == pytest.approx(0.5)


def test_ome_and_aperio():
    ome = '<?xml?><OME><Pixels PhysicalSizeX="0.25" PhysicalSizeY="0.25"/></OME>'
    assert resolution_of(tiff(ome)) == pytest.approx(0.25)
    nano = ome.replace("/>", ' PhysicalSizeXUnit="nm" PhysicalSizeYUnit="nm"/>')
    assert resolution_of(tiff(nano)) is None
    assert resolution_of(tiff("Aperio Image Library\n|AppMag = 40|MPP = 0.2525")) == 0.2525


def test_what_is_no_image_has_no_resolution(tmp_path):
    assert resolution_of(tmp_path / "none.png") is None
    assert resolution_of(b"nothing") is None
    assert resolution_of(tiff("ImageJ=1\nunit=um\n", 0.0, 0.0, 1)) is None
