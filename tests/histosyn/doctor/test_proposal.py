import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histosyn.doctor.pair_summary import KEPT_VALUES
from histosyn.doctor.proposal import propose
from histosyn.labels.label_map import label_png_bytes, load_schema, parse_schema
from histosyn.labels.pixel_values import PixelValues, index_pixel_values

OWN = np.array([[12, 200, 40], [200, 30, 90], [90, 90, 250], [0, 0, 0]], dtype=np.uint8)


def colors_of(*counted):
    colors = np.array([list(bytes.fromhex(name)) for name, _ in counted], dtype=np.uint8)
    return PixelValues(pixels=np.array([pixels for _, pixels in counted]), colors=colors)


def indices_of(counted):
    return PixelValues(
        pixels=np.array(list(counted.values())), indices=np.array(list(counted), dtype=np.uint8)
    )


def class_colors(proposal):
    return [item.color for item in proposal.schema.classes]


def paint(folders, palette, change=lambda colors: colors):
    folders.relabel(lambda values: change(palette[values]))


def test_nothing_is_proposed_from_nothing():
    assert propose([]) is None


@pytest.mark.parametrize("name", ["prostate-2", "prostate-3"])
def test_a_built_in_schema_is_recognised_and_the_smallest_preferred(folders, name):
    schema = load_schema(name)
    folders.relabel(lambda values: schema.palette[values % len(schema)])
    diagnosis = folders.examined(schema=None)
    assert diagnosis.proposal.built_in
    assert diagnosis.schema == schema
    assert diagnosis.findings == ()


def test_colours_a_little_off_are_recognised(folders):
    paint(folders, load_schema("colon-10").palette, lambda colors: colors - np.uint8(5))
    assert folders.examined(schema=None).schema.name == "colon-10"


def test_files_in_a_palette_of_any_order_are_recognised(folders):
    for key, shift in (("0000", 0), ("0001", 1), ("0002", 2), ("0003", 3)):
        palette = np.roll(load_schema("prostate-3").palette, shift, axis=0)
        folders.put_label(key, folders.indices(), palette=palette)
    diagnosis = folders.examined(schema=None)
    assert diagnosis.schema.name == "prostate-3"
    assert diagnosis.findings == ()


def test_own_colours_become_classes_most_frequent_first(folders):
    folders.relabel(lambda values: OWN[np.where(values == 3, 1, values)])
    diagnosis = folders.examined(schema=None)
    assert class_colors(diagnosis.proposal)[0] == "#c81e5a"
    assert sorted(class_colors(diagnosis.proposal)) == ["#0cc828", "#5a5afa", "#c81e5a"]
    assert diagnosis.class_pixels == (512, 256, 256)
    assert not diagnosis.proposal.built_in
    assert diagnosis.findings == ()


def test_what_is_near_is_one_class_and_said_if_frequent():
    proposal = propose([colors_of(("0cc828", 500), ("10c82c", 400), ("c81e5a", 600))])
    assert class_colors(proposal) == ["#0cc828", "#c81e5a"]
    assert proposal.notes == ("#10c82c (26.7% of the pixels) is taken for #0cc828.",)


def test_strays_become_no_classes_but_are_told_and_judged(folders):
    def smooth(colors):
        colors = colors.copy()
        colors[0, 0] = OWN[:2].mean(axis=0)
        return colors

    paint(folders, OWN, smooth)
    diagnosis = folders.examined(schema=None)
    assert len(diagnosis.schema) == 4
    (note,) = diagnosis.proposal.notes
    assert note.startswith("#6a7341 (4 pixels) is taken for a stray: between")
    (finding,) = diagnosis.findings
    assert finding.what == "colours of no class"
    assert finding.where[0].startswith("#6a7341: 4 pixels in 4 label maps")
    assert finding.remedy.endswith("export the label maps without smoothing.")


def test_a_stray_does_not_hide_a_built_in_schema():
    schema = load_schema("prostate-3")
    names = [item.color[1:] for item in schema.classes]
    proposal = propose([colors_of(*((name, 10_000) for name in names), ("00ff00", 3))])
    assert proposal.schema == schema
    assert proposal.notes == ("#00ff00 (3 pixels) is taken for a stray: too rare for a class.",)


@given(st.integers(2, 255))
def test_indices_become_classes_in_colours_that_read_back(count):
    values = np.arange(count, dtype=np.uint8)[None]
    proposal = propose([index_pixel_values(values)[0]])
    assert len(proposal.schema) == count
    assert np.array_equal(parse_schema(proposal.toml(), "x").palette, proposal.schema.palette)
    assert label_png_bytes(values, proposal.schema)


@pytest.mark.parametrize(
    ("counted", "classes", "ignore", "note"),
    [
        ({0: 9, 1: 9}, 2, None, ""),
        ({0: 9}, 2, None, ""),
        ({0: 9, 2: 9}, 3, None, ""),
        ({0: 9, 1: 9, 9: 9}, 3, None, "Of 10 values up to the largest, 3 occur: 0, 1, 9."),
        ({0: 9, 1: 9, 255: 9}, 2, 255, "255 is taken for pixels without a label"),
        ({0: 90_000, 1: 90_000, 200: 2}, 2, None, "taken for strays: 200 (2 pixels)."),
        ({0: 90_000, 1: 90_000, 2: 2}, 3, None, ""),
        ({0: 9, 255: 9}, 2, None, "In the files 0 is class-0, 255 is class-1, which value"),
        (
            {0: 9, 85: 9, 255: 9},
            4,
            None,
            "In the files 0 is class-0, 85 is class-1, 255 is class-3",
        ),
        ({255: 9}, 2, None, "Of 256 values up to the largest, 1 occur: 255."),
        ({254: 9}, 2, None, "Of 255 values up to the largest, 1 occur: 254."),
    ],
)
def test_indices_and_what_is_assumed_of_them(counted, classes, ignore, note):
    proposal = propose([indices_of(counted)])
    assert len(proposal.schema) == classes
    assert proposal.schema.ignore == ignore
    assert note in " ".join(proposal.notes)
    assert bool(note) == bool(proposal.notes)


def test_stretched_indices_get_a_schema_that_says_their_values(folders):
    folders.relabel(lambda values: values * np.uint8(85))
    diagnosis = folders.examined(schema=None)
    assert diagnosis.findings == ()
    assert [item.value for item in diagnosis.schema.classes] == [(), (85,), (170,), (255,)]
    assert diagnosis.class_pixels == (256, 256, 256, 256)


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_masks_of_0_and_255_need_no_conversion(folders, mode):
    """One of them is all background, which alone looks like an index."""
    folders.relabel(lambda values: np.where(values > 1, np.uint8(255), np.uint8(0)))
    folders.put_label("0000", np.zeros((16, 16), dtype=np.uint8))
    for path in sorted(folders.labels.iterdir()):
        with Image.open(path) as image:
            image.convert(mode).save(path)
    diagnosis = folders.examined(schema=None)
    assert [item.what for item in diagnosis.findings] == []
    assert diagnosis.class_pixels == (640, 384)
    assert diagnosis.proposal.doubts == ()
    assert [item.value for item in diagnosis.schema.classes] == [(), (255,)]


def test_indices_written_as_grays_are_indices(folders):
    for path in sorted(folders.labels.iterdir()):
        with Image.open(path) as image:
            values = np.asarray(image)
        Image.fromarray(np.stack([values] * 3, axis=-1)).save(path)
    diagnosis = folders.examined(schema=None)
    assert diagnosis.findings == () and diagnosis.proposal.doubts == ()
    assert diagnosis.class_pixels == (256, 256, 256, 256)


def test_masks_that_are_0_or_255_throughout():
    proposal = propose([indices_of({0: 9}), indices_of({255: 9})])
    assert [item.value for item in proposal.schema.classes] == [(), (255,)]
    assert proposal.schema.ignore is None


def test_a_stretch_that_was_rounded_stands_for_both_neighbours():
    proposal = propose([indices_of({0: 9, 63: 9, 128: 9, 191: 9, 255: 9})])
    values = [item.value for item in proposal.schema.classes]
    assert values == [(), (63, 64), (127, 128), (191, 192), (255,)]


@pytest.mark.parametrize(
    ("counted", "doubt"),
    [
        ({0: 9}, "All pixels are of one class"),
        ({255: 9}, "All pixels are of one class"),
        ({0: 9, 1: 9, 9: 9}, "3 occur"),
        ({0: 90_000, 1: 90_000, 200: 2}, "strays"),
        (dict.fromkeys(range(40), 9), "40 classes are many"),
        ({0: 9, 1: 9}, ""),
        ({0: 9, 1: 9, 2: 9, 255: 9}, ""),
        ({0: 9, 255: 9}, ""),
    ],
)
def test_what_should_be_looked_at_before_anything_is_made_of_it(counted, doubt):
    doubts = propose([indices_of(counted)]).doubts
    assert doubt in " ".join(doubts)
    assert bool(doubt) == bool(doubts)


def test_colours_beside_indices_leave_doubts():
    names = [item.color[1:] for item in load_schema("prostate-3").classes]
    proposal = propose([colors_of(*((name, 99) for name in names)), indices_of({0: 9, 1: 9})])
    assert proposal.schema.name == "prostate-3"
    assert proposal.doubts == ("Some label maps hold colours and others indices.",)


def test_stretched_files_among_others_do_not_make_250_classes(folders):
    folders.relabel(lambda values: values % 3)
    folders.put_label("0001", folders.indices() % 3 * np.uint8(127))
    diagnosis = folders.examined(schema=None)
    assert len(diagnosis.schema) == 3
    (finding,) = diagnosis.findings
    assert finding.where == ("0001.png: 0, 127, 254 look like 0, 1, 2 times 127",)


def test_a_file_that_only_looks_stretched_goes_on_where_the_others_end():
    """Its only class is the last of 13."""
    proposal = propose([indices_of(dict.fromkeys(range(12), 9)), indices_of({0: 9, 12: 9})])
    assert len(proposal.schema) == 13
    assert proposal.notes == ()


def test_files_that_look_stretched_by_different_factors_count_as_they_are():
    proposal = propose([indices_of({0: 9, 13: 9}), indices_of({0: 9, 11: 9})])
    assert [item.value for item in proposal.schema.classes] == [(), (11,), (13,)]
    assert proposal.notes == ("Of 14 values up to the largest, 3 occur: 0, 11, 13.",)


def test_a_palette_gives_indices_their_colours(folders):
    for path in sorted(folders.labels.iterdir()):
        folders.put_label(path.stem, folders.indices(), palette=OWN)
    diagnosis = folders.examined(schema=None)
    assert np.array_equal(diagnosis.schema.palette, OWN)
    assert diagnosis.class_pixels == (256, 256, 256, 256)
    assert diagnosis.findings == ()


@pytest.mark.parametrize("palette", [np.arange(4).repeat(3), OWN[[0, 1, 1, 2]], OWN[[3, 3, 3, 3]]])
def test_a_palette_that_cannot_be_told_apart_leaves_indices(folders, palette):
    for path in sorted(folders.labels.iterdir()):
        folders.put_label(path.stem, folders.indices(), palette=palette)
    diagnosis = folders.examined(schema=None)
    assert len(diagnosis.schema) == 4
    assert diagnosis.class_pixels == (256, 256, 256, 256)
    assert diagnosis.findings == ()


def test_palettes_in_different_orders_mean_their_colours(folders):
    for key, shift in (("0000", 0), ("0001", 1), ("0002", 2), ("0003", 3)):
        indices = (folders.indices() + shift) % 4
        folders.put_label(key, indices, palette=np.roll(OWN, shift, axis=0))
    diagnosis = folders.examined(schema=None)
    assert sorted(map(tuple, diagnosis.schema.palette)) == sorted(map(tuple, OWN))
    assert diagnosis.findings == ()


def test_a_photograph_is_no_label_map_but_no_trouble_either(empty):
    empty.put_tile("a", empty.noise(128))
    empty.put_label("a", empty.rng.integers(0, 256, (128, 128, 3), dtype=np.uint8))
    diagnosis = empty.examined(schema=None)
    assert KEPT_VALUES < 128 * 128
    whats = [item.what for item in diagnosis.findings]
    assert "label maps of very many colours, judged by the most frequent ones" in whats
    assert "colours of no class" in whats
    assert len(diagnosis.schema) <= 255


def test_compressed_areas_are_found_again(empty):
    """What a JPEG leaves of flat colours, saved as PNG."""
    areas = np.kron(np.arange(16).reshape(4, 4) % 4, np.ones((32, 32), int))
    empty.put_tile("a", empty.noise(128))
    empty.root.joinpath("a.jpg").parent.mkdir(exist_ok=True)
    Image.fromarray(OWN[areas]).save(empty.root / "a.jpg", quality=60)
    with Image.open(empty.root / "a.jpg") as image:
        empty.put_label("a", np.asarray(image))
    schema = empty.examined(schema=None).schema
    for color in OWN.astype(int):
        assert np.abs(schema.palette.astype(int) - color).max(axis=1).min() < 16


def test_colours_of_a_built_in_schema_but_for_one_leave_doubts():
    names = [item.color[1:] for item in load_schema("prostate-3").classes]
    proposal = propose([colors_of(*((name, 99) for name in names), ("00ff00", 50))])
    assert not proposal.built_in
    assert proposal.doubts == ("The colours are those of prostate-3, but for #00ff00.",)
    assert propose([colors_of(("0cc828", 9), ("ffffff", 9), ("123456", 9))]).doubts == ()
