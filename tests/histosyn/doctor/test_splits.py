"""What a CSV or the folders say: groups, splits and microns per pixel."""

import pytest

from hpc.errors import DatasetError

TILES = ("0000", "0001", "0002", "0003")
EVERY = ("tile,patient,split", "0000,a,train", "0001,a,train", "0002,b,val", "0003,c,test")


def test_a_clean_split_has_no_findings(folders):
    assert folders.examined(groups=folders.csv(*EVERY)).findings == ()


def test_a_group_on_both_sides_is_an_error(folders):
    path = folders.csv(*EVERY[:-1], "0003,a,test")
    finding = folders.finding(groups=path)
    assert finding.severity == "error"
    assert finding.what == "groups that straddle a split"
    assert finding.where == ("a: train (0000), test (0003)",)


def test_folders_say_the_split_where_the_csv_does_not(empty):
    for key in ("train/1", "Validation/2", "test/3", "elsewhere/4"):
        empty.put(key)
    path = empty.csv("tile,slide", "train/1,s", "Validation/2,s", "test/3,t", "elsewhere/4,t")
    finding = empty.finding(groups=path, group_column="slide")
    assert finding.where == ("s: train (train/1), val (Validation/2)",)


def test_classes_that_a_part_of_the_split_lacks(folders):
    for key in ("0000", "0002", "0003"):
        folders.put_label(key, folders.indices() % 2)
    folders.put_label("0002", folders.indices() % 3)
    lacking, lone = folders.examined(groups=folders.csv(*EVERY)).findings
    assert (lone.severity, lone.where) == ("warning", ("3 nuclei: 0001",))
    assert lacking.severity == "warning"
    assert lacking.where == ("2 epithelium: not in test", "3 nuclei: not in val and test")


def test_folders_tell_the_parts_whose_classes_are_compared(empty):
    for key in ("train/1", "train/2", "val/3"):
        empty.put(key)
    empty.put_label("val/3", empty.indices() % 3)
    assert empty.finding().where == ("3 nuclei: not in val",)


def test_a_class_of_one_tile_is_told(folders):
    for key in ("0000", "0001", "0002"):
        folders.put_label(key, folders.indices() % 3)
    assert folders.finding().what == "classes that occur in one tile only"


def test_where_there_is_one_tile_all_classes_are_in_it(empty):
    assert empty.fill(1).examined().findings == ()


def test_a_copy_on_the_other_side_of_a_split_is_worse_than_one_on_this_side(folders):
    tile = folders.noise()
    for key in ("0000", "0001", "0003"):
        folders.put_tile(key, tile)
    across, beside = folders.examined(groups=folders.csv(*EVERY)).findings
    assert (across.severity, across.what) == ("error", "the same tile on both sides of a split")
    assert across.where == ("0003 (test) has the pixels of 0000 (train)",)
    assert (beside.severity, beside.where) == ("warning", ("0001 has the pixels of 0000",))


def test_copies_across_folders_of_a_split_need_no_csv(empty):
    for key in ("train/1", "valid/1"):
        empty.put(key)
    empty.put_tile("valid/1", tile := empty.noise())
    empty.put_tile("train/1", tile)
    assert empty.finding().where == ("valid/1 (val) has the pixels of train/1 (train)",)


def test_tiles_that_the_csv_forgets_are_named(folders):
    finding = folders.finding(groups=folders.csv(*EVERY[:3]))
    assert finding.severity == "error"
    assert finding.what == "tiles of which the CSV says nothing"
    assert finding.where == ("0002.png", "0003.png")


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (("tile,slide", "0000,a"), "no column 'patient'"),
        (("tile,patient", "0000,"), "patient is empty"),
        (("tile,patient", "0000,a", "0000,b"), "two groups"),
        (("tile,patient,split", "0000,a,maybe"), "split is 'maybe'"),
        (("tile,patient,mpp", "0000,a,-1"), "mpp is '-1'"),
        (("tile,patient", "nobody,a"), "names no tile"),
        (("",), "is empty"),
    ],
)
def test_an_odd_csv_is_one_sentence(folders, lines, match):
    with pytest.raises(DatasetError, match=match):
        folders.examined(groups=folders.csv(*lines))


def test_a_csv_that_is_no_text_is_one_sentence(folders):
    path = folders.csv("")
    path.write_bytes(b"tile,patient\n\xff\xfe\x00,\x00")
    with pytest.raises(DatasetError, match="not UTF-8 text"):
        folders.examined(groups=path)


def _resolved(folders, key, mpp, suffix=".tif"):
    (folders.tiles / f"{key}.png").unlink()
    folders.put_tile(key + suffix, folders.noise(), dpi=(25400 / mpp, 25400 / mpp))


def test_files_that_disagree_on_their_resolution_are_told(folders):
    for key, mpp, suffix in (("0000", 0.25, ".tif"), ("0001", 0.25, ".png"), ("0002", 0.5, ".tif")):
        _resolved(folders, key, mpp, suffix)
    finding = folders.finding()
    assert finding.what == "microns per pixel that disagree"
    assert finding.where == ("0.25 µm: 2 tiles, e.g. 0000", "0.5 µm: 1 tiles, e.g. 0002")


def test_defaults_of_programs_are_no_resolutions(folders):
    for key, mpp in (("0000", 25400 / 72), ("0001", 25400 / 300), ("0002", 0.25)):
        _resolved(folders, key, mpp)
    assert folders.examined().findings == ()


def test_small_differences_are_none(folders):
    for key, mpp in (("0000", 0.2499), ("0001", 0.2511)):
        _resolved(folders, key, mpp)
    assert folders.examined().findings == ()


def test_the_csv_is_compared_with_the_files_and_counts(folders):
    _resolved(folders, "0002", 0.5)
    lines = ("tile,patient,mpp", *(f"{key},a,0.25" for key in TILES))
    finding = folders.finding(groups=folders.csv(*lines))
    assert finding.what == "microns per pixel of which file and CSV disagree"
    assert finding.where == ("0002.tif: its file says 0.5, the CSV 0.25 µm per pixel",)


def test_resolutions_of_the_csv_may_disagree_too(folders):
    lines = ("tile,patient,mpp", *(f"{key},a,0.{1 + int(key)}" for key in TILES[:3]), "0003,a,")
    assert folders.finding(groups=folders.csv(*lines)).count == 3
