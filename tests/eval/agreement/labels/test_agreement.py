"""Label maps as raters: against counting every pixel, and what is said of maps that do not fit."""

import json
import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score, f1_score, jaccard_score

from eval.agreement.coefficients.sample import MISSING, Sample
from eval.agreement.coefficients.value import agreement_of
from eval.agreement.labels.agreement import report_label_agreement
from eval.agreement.labels.scores import confusion_of, scores_of
from eval.agreement.labels.tally import open_raters, tally
from eval.segmenter.pixel_scores import class_scores
from histosyn.labels.label_map import LabelClass, LabelSchema, label_png_bytes, load_schema
from hpc.errors import DatasetError, InputError

SCHEMA = load_schema("prostate-3")
IGNORING = LabelSchema(
    name="three",
    classes=tuple(LabelClass(name=name, color=f"#{n}0{n}0{n}0") for n, name in enumerate("abc")),
    ignore=255,
)


def write(folder, maps, schema=SCHEMA):
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        (folder / f"{name}.png").write_bytes(label_png_bytes(labels.astype(np.uint8), schema))
    return folder


def some_maps(seed, tiles=6, size=(9, 7), classes=3):
    random = np.random.default_rng(seed)
    return {f"t{tile}": random.integers(0, classes, size) for tile in range(tiles)}


@pytest.fixture
def folders(tmp_path):
    first = some_maps(0)
    random = np.random.default_rng(1)
    second = {
        name: np.where(random.random(labels.shape) < 0.2, 1, labels)
        for name, labels in first.items()
    }
    return write(tmp_path / "a", first), write(tmp_path / "b", second), first, second


def report(*folders, schema=SCHEMA, replicates=100, seed=0, groups=None):
    return report_label_agreement(folders, schema, groups=groups, replicates=replicates, seed=seed)


def number(result, name, compared="pair of raters", class_name=None):
    (found,) = [
        number
        for number in result.numbers
        if number.name == name
        and number.details["compared"] == compared
        and number.details["class"] == class_name
    ]
    return found


def test_two_folders_are_scored_as_scikit_learn_scores_their_pixels(folders):
    a, b, first, second = folders
    x, y = (np.concatenate([m.ravel() for m in maps.values()]) for maps in (first, second))
    result = report(a, b)
    assert number(result, "percent_agreement").value == pytest.approx((x == y).mean())
    assert number(result, "cohen_kappa").value == pytest.approx(cohen_kappa_score(x, y))
    dice, iou = (score(x, y, labels=range(3), average=None) for score in (f1_score, jaccard_score))
    for index, item in enumerate(SCHEMA.classes[:3]):
        assert number(result, "dice", class_name=item.name).value == pytest.approx(dice[index])
        assert number(result, "iou", class_name=item.name).value == pytest.approx(iou[index])
        assert number(result, "class_kappa", class_name=item.name).value == pytest.approx(
            cohen_kappa_score(x == index, y == index)
        )
    assert number(result, "mean_dice").value == pytest.approx(dice.mean())
    nuclei = number(result, "dice", class_name="nuclei")
    assert nuclei.value is None
    assert nuclei.reason == "neither has a pixel of this class"
    confusion = np.array(result.tables["confusion"][0]["pixels"])
    assert confusion.sum() == x.size
    assert confusion[0, 1] == ((x == 0) & (y == 1)).sum()


def test_three_folders_with_a_missing_map_are_ratings_with_missing_ones(tmp_path, folders):
    a, b, first, second = folders
    third = {name: labels for name, labels in some_maps(2).items() if name != "t3"}
    result = report(a, b, write(tmp_path / "c", third))
    pixels = [
        [first[name].flat[p], second[name].flat[p], third[name].flat[p] if name in third else None]
        for name in first
        for p in range(first[name].size)
    ]
    for name, options in (
        ("fleiss_kappa", {}),
        ("gwet_ac1", {}),
        ("krippendorff_alpha", {"level": "nominal"}),
    ):
        by_hand = agreement_of(pixels, name, scale=range(4), **options)
        found = number(result, by_hand.name, "all raters")
        assert found.value == pytest.approx(by_hand.value)
        low, high = found.interval
        assert low < found.value < high
        assert found.n == 6
    binary = [[None if cell is None else int(cell == 1) for cell in row] for row in pixels]
    one_class = number(result, "krippendorff_alpha_nominal", "all raters", SCHEMA.classes[1].name)
    expected = agreement_of(binary, "krippendorff_alpha", scale=(0, 1), level="nominal")
    assert one_class.value == pytest.approx(expected.value)
    assert "c has no label map of 1 tiles: t3." in result.warnings


def test_the_interval_draws_tiles_or_patients(folders, tmp_path):
    a, b, *_ = folders
    groups = tmp_path / "patients.csv"
    groups.write_text("tile,patient\nt0,x\nt1,x\nt2,x\nt3,x\nt4,y\nt5,z\n", encoding="utf-8")
    tiles, patients = report(a, b), report(a, b, groups=groups)
    kappas = [number(result, "cohen_kappa") for result in (tiles, patients)]
    assert kappas[0].value == kappas[1].value
    assert kappas[0].interval != kappas[1].interval
    assert kappas[0].interval_method == "percentile bootstrap over tiles"
    assert kappas[1].interval_method == "percentile bootstrap over patients"
    assert patients.settings["units"] == 3
    assert any("One patient has 4 of the 6 tiles" in warning for warning in patients.warnings)
    assert any("--groups" in warning for warning in tiles.warnings)
    assert report(a, b).numbers == tiles.numbers
    groups.write_text("tile,patient\nt0,x\nt1,x\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="says nothing of 4 tiles: t2, t3, t4 and 1 more"):
        report(a, b, groups=groups)


def test_ignored_pixels_count_as_missing(tmp_path):
    first, second = np.array([[0, 1, 255, 255]]), np.array([[0, 255, 1, 255]])
    a = write(tmp_path / "a", {"t": first}, IGNORING)
    b = write(tmp_path / "b", {"t": second}, IGNORING)
    result = report(a, b, schema=IGNORING)
    assert np.sum(result.tables["confusion"][0]["pixels"]) == 1
    assert number(result, "percent_agreement").value == 1
    codes = tally(open_raters([a, b]), IGNORING).codes_UR
    assert sorted(map(tuple, codes.tolist())) == sorted(
        [(0, 0), (1, MISSING), (MISSING, 1), (MISSING, MISSING)]
    )


@pytest.mark.parametrize("raters", [2, 3])
def test_blocks_do_not_change_a_result(folders, tmp_path, monkeypatch, raters):
    three = [*folders[:2], write(tmp_path / "c", some_maps(2))][:raters]
    whole = report(*three)
    monkeypatch.setattr("eval.statistics.bootstrap._BLOCK_CELLS", 50)
    for one, other in zip(report(*three).numbers, whole.numbers, strict=True):
        assert (one.name, one.value, one.details) == (other.name, other.value, other.details)
        assert one.interval == (None if other.interval is None else pytest.approx(other.interval))


def test_a_confusion_counts_pixels_by_both_classes():
    codes = np.array([[0, 1], [2, 2], [MISSING, 1], [1, MISSING], [2, 0]])
    times = np.array([[3.0, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    sample = Sample(codes_IR=codes, n_categories=3, times_BI=times)
    assert confusion_of(sample).tolist() == [
        [[0, 3, 0], [0, 0, 0], [5, 0, 1]],
        [[0, 9, 0], [0, 0, 0], [3, 0, 2]],
    ]


def test_one_tile_has_values_and_no_intervals(tmp_path):
    maps = some_maps(3, tiles=1)
    a, b = write(tmp_path / "a", maps), write(tmp_path / "b", some_maps(4, tiles=1))
    kappa = number(report(a, b), "cohen_kappa")
    assert kappa.value is not None
    assert kappa.interval is None
    assert kappa.details["interval_note"] == "all replicates alike, so no interval"


def test_a_class_everywhere_is_undefined_with_a_reason(tmp_path):
    maps = {name: np.zeros((4, 4)) for name in "xy"}
    result = report(write(tmp_path / "a", maps), write(tmp_path / "b", maps))
    kappa = number(result, "cohen_kappa")
    assert (kappa.value, kappa.reason) == (
        None,
        "0/0: both gave all pixels one and the same class",
    )
    assert number(result, "mean_dice").value == 1
    result.save(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["kind"] == "label agreement"


def test_all_maps_that_cannot_be_used_are_named(folders):
    a, b, *_ = folders
    write(b, {"t1": np.zeros((5, 7))})
    (b / "t2.png").write_bytes(b"no image")
    (b / "t4.png").write_bytes((b / "t4.png").read_bytes()[:60])
    with pytest.raises(DatasetError) as raised:
        report(a, b)
    message = str(raised.value)
    assert message.startswith("3 of 6 tiles have label maps that cannot be compared:")
    assert "t1.png is 7x5 pixels, but" in message
    assert "t2.png" in message
    assert "t4.png" in message


def test_however_many_tiles_cannot_be_used_all_are_named(tmp_path):
    maps = {f"t{n}": np.zeros((2, 2)) for n in range(9)}
    a = write(tmp_path / "a", maps)
    b = write(tmp_path / "b", {name: np.zeros((2, 3)) for name in maps})
    with pytest.raises(DatasetError) as raised:
        report(a, b)
    first, *told, rest = str(raised.value).split("\n  ")
    assert first.startswith("9 of 9 tiles")
    assert [f"t{n}.png is 3x2 pixels" in line for n, line in enumerate(told)] == [True] * 5
    assert rest == "... and 4 more tiles: t5, t6, t7, t8."


def test_tiles_of_one_folder_only_are_left_out_and_named(folders):
    a, b, *_ = folders
    write(a, {"extra": np.zeros((3, 3))})
    result = report(a, b)
    assert any("a is alone with 1 tiles, left out: extra." in one for one in result.warnings)
    assert result.inputs["raters"][0]["alone"] == ["extra"]
    assert number(result, "cohen_kappa").n == 6


def test_folders_that_cannot_be_compared(folders, tmp_path):
    a, *_ = folders
    other = write(tmp_path / "other", {"z": np.zeros((3, 3))})
    (tmp_path / "empty").mkdir()
    for given_folders, error, message in (
        ([a], InputError, "two folders or more"),
        ([a, a], InputError, "given twice"),
        ([a, other], DatasetError, "No tile has label maps in two of the folders"),
        ([a, tmp_path / "empty"], DatasetError, "holds no image"),
        ([a, tmp_path / "none"], InputError, "does not exist"),
    ):
        with pytest.raises(error, match=message):
            report(*given_folders)


def test_folders_of_one_name_are_told_apart(folders, tmp_path):
    a, _, _, second = folders
    again = write(tmp_path / "x" / "a", second)
    raters = report(a, again).inputs["raters"]
    assert [rater["name"] for rater in raters] == [str(a), str(again)]
    assert raters[0]["sha256"] != raters[1]["sha256"]
    assert len(raters[0]["sha256"]) == 64


def test_many_classes_and_folders_are_counted_by_sorting(tmp_path):
    schema = load_schema("colon-10")
    maps = [some_maps(seed, tiles=2, classes=11) for seed in range(6)]
    folders = [write(tmp_path / f"r{n}", one, schema) for n, one in enumerate(maps)]
    counted = tally(open_raters(folders), schema)
    assert counted.pixels_TU.sum() == 2 * 63
    columns = np.repeat(counted.codes_UR, counted.pixels_TU.sum(axis=0).astype(int), axis=0)
    pixels = np.stack([np.concatenate([m.ravel() for m in one.values()]) for one in maps], axis=1)
    assert sorted(map(tuple, columns.tolist())) == sorted(map(tuple, pixels.tolist()))


@given(arrays(np.int64, (3, 3), elements=st.integers(0, 20)))
def test_scores_are_those_of_a_confusion_matrix(confusion):
    scores = scores_of(confusion[None].astype(float))
    plain = class_scores(confusion)
    for name in ("dice", "iou"):
        ours = [None if np.isnan(value) else value for value in scores[name][0]]
        theirs = getattr(plain, name)
        assert [v is None for v in ours] == [v is None for v in theirs]
        assert [v for v in ours if v is not None] == pytest.approx(
            [v for v in theirs if v is not None]
        )
    mean = scores["mean_dice"][0]
    assert (plain.mean_dice is None and np.isnan(mean)) or mean == pytest.approx(plain.mean_dice)


def test_names_that_are_no_utf_8_do_not_matter(folders):
    """As an old zip from Windows leaves them on Linux."""
    names = [b"Dr\xfcse_%d.png" % number for number in range(6)]
    for folder in folders[:2]:
        for path, name in zip(sorted(folder.iterdir()), names, strict=True):
            path.rename(folder / os.fsdecode(name))
    result = report(*folders[:2])
    assert json.loads(json.dumps(result.as_json()))


def test_names_pair_in_either_unicode_form(folders):
    for folder, form in zip(folders[:2], ("NFC", "NFD"), strict=True):
        for path in list(folder.iterdir()):
            path.rename(folder / unicodedata.normalize(form, f"Drüse {path.name}"))
    shared = tally(open_raters(folders[:2]), SCHEMA).tiles
    assert len(shared) == 6
    assert all(unicodedata.is_normalized("NFC", key) for key in shared)
