import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.sources.qupath import Region, region_of, regions_of
from hpc.errors import InputError


@pytest.mark.parametrize(
    ("key", "slide", "downsample"),
    [
        ("S1 [d=2.5,x=0,y=5105,w=5105,h=5105]", "S1", 2.5),
        ("S1 [x=0,y=0,w=512,h=512]", "S1", 1.0),
        ("S1 [d=4,x=-3,y=0,w=512,h=512]-labelled", "S1", 4.0),
        ("out/S1/S1.svs - a b.c [d=1.98,x=0,y=0,w=9,h=9,z=1,t=2]", "S1.svs - a b.c", 1.98),
        ("TCGA-AA [1] [d=2,x=0,y=0,w=512,h=512]", "TCGA-AA [1]", 2.0),
    ],
)
def test_slide_and_downsample(key, slide, downsample):
    assert region_of(key) == Region(slide=slide, downsample=downsample)


@pytest.mark.parametrize(
    "key", ["S1", "S1 [d=2]", "S1 (d=2,x=0,y=0,w=5,h=5)", "S1 [d=0,x=0,y=0,w=5,h=5]", ""]
)
def test_other_names_tell_nothing(key):
    assert region_of(key) is None


@given(st.text())
def test_any_name_is_a_name(key):
    region = region_of(key)
    assert region is None or region.downsample > 0


def test_a_resolution_of_slides_is_for_exports():
    with pytest.raises(InputError, match="none of 1 is, such as a. Give source_mpp"):
        regions_of({"a": 0}, 0.25)
    assert regions_of({"a": 0}, None) == {}
