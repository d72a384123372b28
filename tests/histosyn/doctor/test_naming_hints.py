import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.doctor.naming_hints import common_suffixes
from histosyn.sources.pairs import Naming

STEM = st.from_regex("[ab01]([ab01_-]{0,4}[ab01])?", fullmatch=True)
STEMS = st.lists(STEM, min_size=1, max_size=30, unique=True)


@given(STEMS, st.sampled_from(["", "_he", "-HE", " tile"]), st.sampled_from(["_mask", ".anno", ""]))
def test_suffixes_are_found(stems, tile_suffix, label_suffix):
    tiles = [stem + tile_suffix for stem in stems]
    labels = [stem + label_suffix for stem in stems]
    naming, count = common_suffixes(tiles, labels)
    if tile_suffix or label_suffix:
        assert count == len(stems)
        pairs = {name.removesuffix(naming.tile_suffix) + naming.label_suffix for name in tiles}
        assert pairs == set(labels)


def test_names_that_have_nothing_in_common_give_no_naming():
    assert common_suffixes(["a", "b"], ["x_mask", "y_mask"]) == (Naming(), 0)
    assert common_suffixes([], ["x_mask"]) == (Naming(), 0)


def test_many_numbers_do_not_hide_the_suffix():
    tiles = [str(index) for index in range(1000)]
    naming, count = common_suffixes(tiles, [f"{name}_mask" for name in tiles])
    assert (naming, count) == (Naming(label_suffix="_mask"), 1000)


def _renamed(folders, part, change):
    for path in list(getattr(folders, part).iterdir()):
        path.rename(path.with_name(change(path.stem) + path.suffix))


@pytest.mark.parametrize("schema", ["given", "none"])
def test_the_option_that_would_help_is_told(folders, schema):
    _renamed(folders, "labels", lambda stem: f"{stem}_mask")
    arguments = {} if schema == "given" else {"schema": None}
    tiles, labels = folders.examined(**arguments).findings
    assert tiles.count == labels.count == 4
    for finding in (tiles, labels):
        assert finding.remedy.startswith("--label-suffix=_mask would pair 4 of them.")
    naming = Naming(label_suffix="_mask")
    assert folders.examined(naming=naming).findings == ()


def test_both_suffixes_may_be_needed(folders):
    _renamed(folders, "labels", lambda stem: f"case {stem}-mask")
    _renamed(folders, "tiles", lambda stem: f"case {stem}-he")
    remedy = folders.examined().findings[0].remedy
    assert remedy.startswith("--tile-suffix=-he --label-suffix=-mask would pair 4 of them.")


def test_names_that_differ_in_case_are_told(empty):
    empty.put_tile("Case-A", empty.noise())
    empty.put_label("case-a", empty.indices())
    remedy = empty.examined().findings[0].remedy
    assert "1 differ only in upper and lower case, like Case-A and case-a." in remedy


def test_files_that_lack_the_suffix_are_not_left_out_in_silence(folders):
    _renamed(folders, "labels", lambda stem: f"{stem}_mask")
    folders.put_label("stranger", folders.indices())
    finding = folders.finding(naming=Naming(label_suffix="_mask"))
    assert finding.what == "files of neither side"
    assert finding.where[0].endswith("stranger.png")
